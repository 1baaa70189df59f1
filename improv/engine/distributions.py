"""The networks that give every part of a note a distribution, in Keras' operations: a body between inputs and heads."""

from typing import TYPE_CHECKING, Any

import numpy as np
from keras import ops

from improv.engine.backend import Tensor, compiled
from improv.engine.draws import Taste64, as_numbers, draw_pitch, draw_place, draw_step, likely, seconds
from improv.events import PITCHES
from improv.predict.bins import DURATION_BIN, PITCH_BIN, STEP_BIN, VELOCITY_BIN, IntArray, binned
from improv.predict.encoding import DURATION, PITCH, STEP, VELOCITY, FloatArray
from improv.predict.engine import ModelInfo, State, Taste
from improv.predict.grid import VELOCITY_WIDTH
from improv.predict.sequence_engine import MIN_DURATION_S
from improv.predict.weights import (
    CLASSES,
    HEARD,
    INTERVALS,
    TOLD,
    TRACES,
    WIDEST,
    Weights,
    check_style,
    trace_gain,
)

if TYPE_CHECKING:
    from improv.engine.bodies import Body

_COLUMNS = {"step": STEP_BIN, "pitch": PITCH_BIN, "velocity": VELOCITY_BIN, "duration": DURATION_BIN}
_LEADS = np.arange(PITCHES - 1, INTERVALS, dtype=np.int32)
Bins = dict[str, Tensor]
"""The bins (batch) of a note's parts, as far as they are known."""


class DistributionsEngine:
    """An engine for the networks of distributions, as `SequenceEngine` is. Raises ModelError for a style it has not.

    A state's `notes` is the last note alone; `hidden`, what the heads read, and `cell`, what the body remembers
    besides, are on the device.
    """

    def __init__(self, weights: Weights, body: type[Any], *, style: str | None = None, fused: bool = True) -> None:
        card = weights.card
        check_style(weights.name, card, style)
        self.info = ModelInfo(weights.name, card.network, card.window, weights.hash, carries=True, has_velocity=True)
        self._tensors = {name: ops.convert_to_tensor(tensor) for name, tensor in weights.tensors.items()}
        self._body: Body = body(self._tensors)
        self._style = self._tensors["style.table"][0 if style is None else 1 + card.styles.index(style)]
        self._fade = np.repeat(np.array(TRACES, np.float32), CLASSES)
        self._primed = compiled(self._prime, fused=fused)
        self._stepped = compiled(self._step, fused=fused)
        self._drawn = compiled(self._draw, fused=fused)
        self._headed = compiled(self._heads, fused=fused)

    def prime(self, notes: FloatArray, batch: int = 1) -> State:
        """Return the state after `notes` (n >= 1, 4), of which the last `info.window` count, for `batch` candidates."""
        window = notes[-self.info.window :].copy()
        # As in training, nothing came before the first.
        window[0, STEP] = 0
        # One shape, however few the notes: compiled once.
        bins = np.zeros((self.info.window, 1, len(_COLUMNS)), np.int32)
        bins[: len(window), 0] = binned(window)
        before = np.concatenate([bins[:1, :, PITCH_BIN], bins[:-1, :, PITCH_BIN]])
        known, memory = self._primed(bins, before, np.int32(len(window)))
        if batch > 1:
            known, memory = ops.repeat(known, batch, axis=0), ops.repeat(memory, batch, axis=0)
        return State(np.repeat(notes[None, -1:], batch, axis=0), known, memory)

    def advance(self, state: State, notes: FloatArray) -> State:
        """Return the state after one more note for each candidate: `notes` (batch, 4)."""
        return State(notes[:, None], *self._stepped(state.hidden, state.cell, _last(state), binned(notes)))

    def draw(self, state: State, uniforms: FloatArray, taste: Taste) -> FloatArray:
        """Return a next note for each candidate (batch, 4): step, pitch, velocity, duration, drawn in that order."""
        return np.array(self._drawn(state.hidden, _last(state), uniforms, as_numbers(taste)), np.float32)

    def logits(self, state: State, bins: IntArray) -> dict[str, FloatArray]:
        """Return the logits of each part of the next note, given the parts before it: `bins` (batch, 4)."""
        return {head: np.asarray(each) for head, each in self._headed(state.hidden, _last(state), bins).items()}

    def _prime(self, bins: Tensor, before: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
        """Return known and memory after the first `count` of `bins` (window, batch, 4)."""

        def step(at: Tensor, known: Tensor, memory: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            return (at + 1, *self._step(known, memory, before[at], bins[at]))

        outputs, memory = self._body.start(bins.shape[1])
        known = ops.concatenate([outputs, ops.zeros((bins.shape[1], len(self._fade)))], axis=1)
        _, known, memory = ops.while_loop(lambda at, *_: at < count, step, (np.int32(0), known, memory))
        return known, memory

    def _step(self, known: Tensor, memory: Tensor, before: Tensor, bins: Tensor) -> tuple[Tensor, Tensor]:
        """Return known and memory after one more note; `before` (batch): the pitch before it."""
        parts = {part: bins[:, column] for part, column in _COLUMNS.items()}
        pitch = parts["pitch"]
        parts["class"] = pitch % CLASSES
        parts["interval"] = ops.clip(pitch - before, -WIDEST, WIDEST) + WIDEST
        heard = ops.one_hot(parts["class"], CLASSES)
        traces = known[:, self._body.width :] * self._fade
        traces = traces + ops.concatenate([heard * trace_gain(fade) for fade in TRACES], axis=1)
        inputs = [self._table(f"heard_{part}", parts[part]) for part in HEARD]
        inputs.append(ops.broadcast_to(self._style, (known.shape[0], self._style.shape[0])))
        outputs, memory = self._body.step(
            known[:, : self._body.width], memory, ops.concatenate([*inputs, traces], axis=1)
        )
        return ops.concatenate([outputs, traces], axis=1), memory

    def _draw(self, known: Tensor, last: Tensor, uniforms: Tensor, numbers: Tensor) -> Tensor:
        taste = Taste64.of(numbers)
        bins: Bins = {}
        step, bins["step"] = draw_step(self._head("step", known, last, bins), uniforms[:, STEP], taste)
        bins["pitch"] = draw_pitch(self._head("pitch", known, last, bins), uniforms[:, PITCH], taste)
        shares = likely(self._head("velocity", known, last, bins), taste)
        bins["velocity"], share = draw_place(shares, uniforms[:, VELOCITY])
        velocity = ops.maximum(ops.floor((ops.cast(bins["velocity"], "float64") + share) * VELOCITY_WIDTH), 1.0)
        shares = likely(self._head("duration", known, last, bins), taste)
        duration = ops.maximum(seconds(*draw_place(shares, uniforms[:, DURATION])), MIN_DURATION_S)
        parts = (bins["pitch"], step, duration, velocity)
        return ops.stack([ops.cast(part, "float32") for part in parts], axis=1)

    def _heads(self, known: Tensor, last: Tensor, bins: Tensor) -> dict[str, Tensor]:
        parts = {part: bins[:, column] for part, column in _COLUMNS.items()}
        return {head: self._head(head, known, last, parts) for head in _COLUMNS}

    def _head(self, head: str, known: Tensor, last: Tensor, bins: Bins) -> Tensor:
        """Return the logits of one part of the next note; `last` (batch): the pitch of the last one."""
        if head == "step":
            return self._dense("step", known)
        inner = self._dense(f"{head}_hidden", known)
        for told in TOLD[head]:
            inner = inner + self._table(f"{head}_{told}", bins[told])
        inner = ops.relu(inner)
        if head != "pitch":
            return self._dense(head, inner)
        # The interval that leads from the last pitch to each of the 128.
        leads = _LEADS - last[:, None]
        return self._dense("pitch", inner) + ops.take_along_axis(self._dense("interval", inner), leads, axis=1)

    def _dense(self, name: str, inputs: Tensor) -> Tensor:
        return ops.matmul(inputs, self._tensors[f"{name}.kernel"]) + self._tensors[f"{name}.bias"]

    def _table(self, name: str, rows: Tensor) -> Tensor:
        return ops.take(self._tensors[f"{name}.table"], rows, axis=0)


def _last(state: State) -> IntArray:
    """Return the pitches of the last notes (batch)."""
    return state.notes[:, -1, PITCH].astype(np.int32)
