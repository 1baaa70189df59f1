"""The networks of sequences in numpy: a state carried on, each part of a note drawn given the parts before it."""

from copy import copy
from functools import cache

import numpy as np
from numpy.typing import NDArray

from improv.events import PITCHES
from improv.predict.bins import DURATION_BIN, EDGES_S, PITCH_BIN, STEP_BIN, VELOCITY_BIN, IntArray, binned, time_bins
from improv.predict.bodies import front_of
from improv.predict.encoding import COLUMNS, DURATION, PITCH, STEP, VELOCITY, FloatArray
from improv.predict.engine import ModelInfo, State, Taste
from improv.predict.grid import CELL_S, TIMES, VELOCITY_WIDTH
from improv.predict.sampling import draw_index, draw_place, likely, likely_step, pitch_probabilities
from improv.predict.weights import CLASSES, HEARD, HIDDEN, INTERVALS, TRACES, WIDEST, Weights, check_style, trace_gain

# Shorter is no note: a key takes about this long to go down and up.
MIN_DURATION_S = 0.05
_LEADS = np.arange(PITCHES - 1, INTERVALS)


class SequenceEngine:
    """An engine for `lstm`, `conv` and `wavenet`. `style`: one of the card's, or None. Raises ModelError for another.

    A state's `notes` is the last note alone; its `hidden` holds the traces of the pitch classes behind the units, its
    `cell` whatever else the body carries.
    """

    def __init__(self, weights: Weights, *, style: str | None = None) -> None:
        card, tensors = weights.card, weights.tensors
        check_style(weights.name, card, style)
        self.info = ModelInfo(weights.name, card.network, card.window, weights.hash, carries=True, has_velocity=True)
        front = front_of(weights)
        # What a part of the last note adds to the first layer, for each of its bins: a row instead of a product.
        self._heard: dict[str, FloatArray] = {}
        at = 0
        for part, size in HEARD.items():
            self._heard[part] = tensors[f"heard_{part}.table"] @ front.kernel[at : at + size]
            at += size
        # The style stays, so it is part of the bias: a row for none, and for each.
        self._biases = front.bias + tensors["style.table"] @ front.kernel[at:]
        self._styles = (None, *card.styles)
        self._bias = self._biases[self._styles.index(style)]
        # What the heads make of the state, in one product; they read their own columns of it.
        heads = ["step", *(f"{head}_hidden" for head in HIDDEN)]
        self._heads = np.concatenate([tensors[f"{head}.kernel"] for head in heads], axis=1)
        self._heads_bias = np.concatenate([tensors[f"{head}.bias"] for head in heads])
        ends = np.cumsum([TIMES, *HIDDEN.values()])
        self._columns = {head: slice(start, end) for head, start, end in zip(HIDDEN, ends[:-1], ends[1:], strict=True)}
        self._tables = {name: tensor for name, tensor in tensors.items() if name.endswith(".table")}
        self._outputs = {
            head: (tensors[f"{head}.kernel"], tensors[f"{head}.bias"]) for head in ("velocity", "duration")
        }
        self._outputs["pitch"] = (
            np.concatenate([tensors["pitch.kernel"], tensors["interval.kernel"]], axis=1),
            np.concatenate([tensors["pitch.bias"], tensors["interval.bias"]]),
        )
        self._fade = np.repeat(np.array(TRACES, np.float32), CLASSES)
        self._gains = tuple(np.float32(trace_gain(fade)) for fade in TRACES)
        self._body = cache(front.body)

    def in_style(self, style: str | None) -> "SequenceEngine":
        """Return an engine that plays in another style, one of the card's, with the same weights and buffers."""
        other = copy(self)
        other._bias = self._biases[self._styles.index(style)]  # noqa: SLF001 - one of us
        return other

    def prime(self, notes: FloatArray, batch: int = 1) -> State:
        """Return the state after `notes` (n >= 1, 4), of which the last `info.window` count, for `batch` candidates."""
        window = notes[-self.info.window :].copy()
        # As in training, nothing came before the first.
        window[0, STEP] = 0
        window = np.broadcast_to(window[:, None], (len(window), batch, COLUMNS))
        return self._after(window, None)

    def begin(self, notes: FloatArray) -> State:
        """Return the state after the first note of each candidate: `notes` (batch, 4)."""
        first = notes.copy()
        first[:, STEP] = 0
        return self._after(first[None], None)

    def advance(self, state: State, notes: FloatArray) -> State:
        """Return the state after one more note for each candidate: `notes` (batch, 4)."""
        return self._after(notes[None], state)

    def foreseen(self, state: State, notes: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return how the bare network foresees `notes` (batch, 4): logits of step (batch, 68) and pitch (batch, 128).

        Those of the pitch are given the notes' own steps.
        """
        known = self.heads(state)
        return known[:, :TIMES], self.pitch_logits(state, known, binned(notes).astype(np.int64))

    def draw(self, state: State, uniforms: FloatArray, taste: Taste) -> FloatArray:
        """Return a next note for each candidate (batch, 4): step, pitch, velocity, duration, drawn in that order."""
        known = self.heads(state)
        notes = np.empty((len(known), COLUMNS), np.float32)
        bins = np.empty(notes.shape, np.int64)
        recall, logits = state.recall, known[:, :TIMES]
        if recall is not None:
            logits = recall.step(logits)
        bins[:, STEP_BIN], notes[:, STEP] = _step(logits, uniforms[:, STEP], taste)
        logits = self.pitch_logits(state, known, bins)
        if recall is not None:
            logits = recall.pitch(logits, notes[:, STEP])
        bins[:, PITCH_BIN] = draw_index(pitch_probabilities(logits, taste), uniforms[:, PITCH])
        notes[:, PITCH] = bins[:, PITCH_BIN]
        logits = self.velocity_logits(known, bins)
        bins[:, VELOCITY_BIN], share = draw_place(likely(logits, taste), uniforms[:, VELOCITY])
        np.maximum((bins[:, VELOCITY_BIN] + share) * VELOCITY_WIDTH // 1, 1, out=notes[:, VELOCITY])
        logits = self.duration_logits(known, bins)
        place, share = draw_place(likely(logits, taste), uniforms[:, DURATION])
        np.maximum(_seconds(place, share), MIN_DURATION_S, out=notes[:, DURATION])
        return notes

    def heads(self, state: State) -> FloatArray:
        """Return what the heads make of a state: the logits of the step (batch, 66), then their hidden layers."""
        outputs: FloatArray = state.hidden @ self._heads
        outputs += self._heads_bias
        return outputs

    def pitch_logits(self, state: State, known: FloatArray, bins: NDArray[np.int64]) -> FloatArray:
        """Return the logits of the pitch (batch, 128), given the step's bin."""
        inner = known[:, self._columns["pitch"]] + self._tables["pitch_step.table"][bins[:, STEP_BIN]]
        both = self._output("pitch", inner)
        last = state.notes[:, -1, PITCH].astype(np.int64)
        # The interval that leads from the last pitch to each of the 128.
        logits: FloatArray = both[np.arange(len(both))[:, None], PITCHES + _LEADS - last[:, None]]
        logits += both[:, :PITCHES]
        return logits

    def velocity_logits(self, known: FloatArray, bins: NDArray[np.int64]) -> FloatArray:
        """Return the logits of the velocity (batch, 32), given the bins of step and pitch."""
        inner = known[:, self._columns["velocity"]] + self._tables["velocity_step.table"][bins[:, STEP_BIN]]
        inner += self._tables["velocity_pitch.table"][bins[:, PITCH_BIN]]
        return self._output("velocity", inner)

    def duration_logits(self, known: FloatArray, bins: NDArray[np.int64]) -> FloatArray:
        """Return the logits of the duration (batch, 66), given the bins of step, pitch and velocity."""
        inner = known[:, self._columns["duration"]] + self._tables["duration_step.table"][bins[:, STEP_BIN]]
        inner += self._tables["duration_pitch.table"][bins[:, PITCH_BIN]]
        inner += self._tables["duration_velocity.table"][bins[:, VELOCITY_BIN]]
        return self._output("duration", inner)

    def _output(self, head: str, inner: FloatArray) -> FloatArray:
        kernel, bias = self._outputs[head]
        np.maximum(inner, 0, out=inner)
        outputs: FloatArray = inner @ kernel
        outputs += bias
        return outputs

    def _after(self, notes: FloatArray, before: State | None) -> State:
        """Return the state after `notes` (n, batch, 4), from an empty one or from `before`."""
        count, batch, _ = notes.shape
        bins = binned(notes)
        pitches = bins[..., PITCH_BIN]
        inputs = self._inputs(
            bins, pitches[:1] if before is None else before.notes[None, :, -1, PITCH].astype(np.int32)
        )
        body = self._body(batch)
        body.start(*((None, None) if before is None else (before.hidden, before.cell)))
        traces = body.known[:, -len(self._fade) :]
        rows, classes = np.arange(batch), pitches % CLASSES
        for at in range(count):
            traces *= self._fade
            for which, gain in enumerate(self._gains):
                traces[rows, which * CLASSES + classes[at]] += gain
            body.step(inputs[at])
        recall = None if before is None or before.recall is None else before.recall.after(notes[-1])
        return State(notes[-1][:, None], body.known.copy(), body.cell.copy(), recall)

    def _inputs(self, bins: IntArray, before: IntArray) -> FloatArray:
        """Return the share of notes in the first layer (n, batch, width); `before` (1, batch): the pitch before."""
        pitches = bins[..., PITCH_BIN]
        intervals = pitches - np.concatenate([before, pitches[:-1]])
        np.minimum(np.maximum(intervals, -WIDEST, out=intervals), WIDEST, out=intervals)
        heard = self._heard
        inputs: FloatArray = heard["step"][bins[..., STEP_BIN]] + self._bias
        inputs += heard["pitch"][pitches]
        inputs += heard["class"][pitches % CLASSES]
        inputs += heard["interval"][intervals + WIDEST]
        inputs += heard["velocity"][bins[..., VELOCITY_BIN]]
        inputs += heard["duration"][bins[..., DURATION_BIN]]
        return inputs


def _step(logits: FloatArray, uniform: FloatArray, taste: Taste) -> tuple[NDArray[np.int64], FloatArray]:
    """Return steps and their bins, knowing that they are no shorter than what has gone by."""
    elapsed = taste.elapsed_s
    if elapsed <= 0:
        bins, share = draw_place(likely_step(logits, taste), uniform)
        return bins, _seconds(bins, share)
    # The last bin has no end: what has gone by may lie beyond it.
    first = int(time_bins(np.array([elapsed], np.float32))[0])
    left = np.clip((EDGES_S[first + 1] - elapsed) / (EDGES_S[first + 1] - EDGES_S[first]), CELL_S, 1)
    logits = logits[:, first:].copy()
    # Of the bin that has begun, only what is left of it can still come.
    logits[:, 0] += np.log(left)
    bins, share = draw_place(likely_step(logits, taste, first), uniform)
    bins += first
    seconds = np.where(
        bins == first, elapsed + share * left * (EDGES_S[first + 1] - EDGES_S[first]), _seconds(bins, share)
    )
    return bins, np.maximum(seconds, elapsed).astype(np.float32)


def _seconds(bins: NDArray[np.int64], share: NDArray[np.float64]) -> FloatArray:
    """Return the times that lie at `share` of their bins."""
    begin = EDGES_S[bins]
    return (begin + share * (EDGES_S[bins + 1] - begin)).astype(np.float32)
