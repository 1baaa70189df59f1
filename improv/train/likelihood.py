"""How the networks foresee notes: those of distributions as they are, the tutorial's with its own errors as noise."""

from collections.abc import Iterator

import keras
import numpy as np

from improv.predict.bins import IntArray, binned
from improv.predict.encoding import DURATION, STEP, FloatArray, tutorial_features
from improv.predict.engine import State
from improv.predict.numpy_engine import NumpyEngine
from improv.predict.weights import Weights
from improv.train.foreseen import CHORD_CELLS, Foreseen, Predictor, joined, judged
from improv.train.networks import restore
from improv.train.passages import CONTEXT, Indices, Questions, evenly
from improv.train.point_noise import Noise, cells
from improv.train.sequence_fit import LENGTH
from improv.train.sequences import Music, heard_and_coming

# Training notes whose errors are the noise of a predictor of points.
_ERRORS = 100_000
_BATCH = 64
_WINDOWS = 1024
_NOTHING = np.empty((0, 0), np.float32)


def predictor(weights: Weights, training: Music) -> Predictor:
    """Return the network of a model file as somebody who foresees notes. `training`: the same set's training split."""
    return Points(weights, training) if weights.card.network == "tutorial" else Distributions(weights)


class Distributions:
    """Any network that takes (heard, coming) and gives the logits of every part, as `lstm`. It is told no style."""

    def __init__(self, weights: Weights) -> None:
        self._weights = weights

    def foresee(self, these: Questions) -> dict[int | None, Foreseen]:
        """Answer the questions (`foreseen.Predictor`). Files are heard in pieces of 160 notes, 25 of them twice."""
        network = restore(self._weights, LENGTH)
        pieces = [piece for piece, _, _ in these.music.chunks(LENGTH, CONTEXT)]
        batches = (pieces[at : at + _BATCH] for at in range(0, len(pieces), _BATCH))
        answers: dict[int | None, Foreseen] = {None: joined([_answered(network, *_padded(batch)) for batch in batches])}
        answers.update((before, self._after(windows)) for before, windows in these.windows.items())
        return answers

    def _after(self, windows: FloatArray) -> Foreseen:
        """Return how the last note of each of `windows` (n, length + 1, 4) is foreseen."""
        length = windows.shape[1] - 1
        network = restore(self._weights, length)
        last = np.broadcast_to(np.arange(length) == length - 1, (len(windows), length))
        batches = (slice(at, at + _WINDOWS) for at in range(0, len(windows), _WINDOWS))
        return joined([_answered(network, windows[batch], last[batch]) for batch in batches])


class Points:
    """The tutorial's network: a distribution of the pitch, points for step and duration, nothing of the velocity.

    Its noise is that of its errors on `training`, after as many notes as it hears.
    """

    def __init__(self, weights: Weights, training: Music) -> None:
        self._training = training
        self._window = weights.card.window
        self._network = restore(weights)
        # For fewer notes than the Keras network takes.
        self._engine = NumpyEngine(weights, carry=False)

    def foresee(self, these: Questions) -> dict[int | None, Foreseen]:
        """Answer the questions (`foreseen.Predictor`)."""
        noises: dict[int, tuple[Noise, Noise]] = {}
        answers: dict[int | None, Foreseen] = {None: self._at(these.music.notes, these.targets, self._window, noises)}
        for before, windows in these.windows.items():
            notes = windows.reshape(-1, windows.shape[-1])
            last = np.arange(len(windows)) * (before + 1) + before
            answers[before] = self._at(notes, last, min(before, self._window), noises)
        return answers

    def _at(self, notes: FloatArray, places: Indices, before: int, noises: dict[int, tuple[Noise, Noise]]) -> Foreseen:
        """Return how the notes at `places` are foreseen from so many before them."""
        if before not in noises:
            noises[before] = self._noise(before)
        pieces = []
        for chunk, (logits, step, duration) in self._predicted(notes, places, before):
            true = notes[chunk]
            part = judged({"pitch": logits}, binned(true))
            of_step, of_duration = noises[before]
            pieces.append(
                Foreseen(
                    step=of_step.nats(true[:, STEP], step),
                    pitch=part.pitch,
                    velocity=part.velocity,
                    duration=of_duration.nats(true[:, DURATION], duration),
                    top_1=part.top_1,
                    top_5=part.top_5,
                    chord=cells(step) < CHORD_CELLS,
                )
            )
        return joined(pieces)

    def _noise(self, before: int) -> tuple[Noise, Noise]:
        """Return the errors of step and duration in training."""
        music = self._training
        spans = zip(music.starts, music.ends, strict=True)
        places = np.concatenate([np.empty(0, np.int64), *(np.arange(a + self._window, b) for a, b in spans)])
        # Fewer where the engine is the slower one: still thousands.
        places = places[evenly(len(places), _ERRORS if before == self._window else _ERRORS // 5)]
        predicted = list(self._predicted(music.notes, places, before))
        steps, durations = (
            np.concatenate([np.empty(0, np.float32), *(times[at] for _, times in predicted)]) for at in (1, 2)
        )
        return Noise.of(music.notes[places, STEP], steps), Noise.of(music.notes[places, DURATION], durations)

    def _predicted(
        self, notes: FloatArray, places: Indices, before: int
    ) -> Iterator[tuple[Indices, tuple[FloatArray, FloatArray, FloatArray]]]:
        """Yield places, so many at a time, and the network's outputs: pitch logits (n, 128), step and duration (n)."""
        for at in range(0, len(places), _WINDOWS):
            chunk = places[at : at + _WINDOWS]
            windows = notes[chunk[:, None] + np.arange(-before, 0)]
            if before == self._network.input_shape[1]:
                outputs = self._network.predict_on_batch(tutorial_features(windows))
                yield chunk, (outputs["pitch"], outputs["step"][:, 0], outputs["duration"][:, 0])
            else:
                state = self._engine.advance(State(windows[:, :-1], _NOTHING, _NOTHING), windows[:, -1])
                yield chunk, self._engine.heads(state)


def _answered(network: keras.Model, notes: FloatArray, counted: np.ndarray) -> Foreseen:
    """Return how a network foresees those of `notes` (batch, length + 1, 4) that count: (batch, length) of the last."""
    heard, coming = heard_and_coming(notes, np.zeros(len(notes), np.int32))
    outputs = network.predict_on_batch([heard, coming])
    true: IntArray = coming[counted]
    return judged({head: np.asarray(logits)[counted] for head, logits in outputs.items()}, true)


def _padded(pieces: list[FloatArray]) -> tuple[FloatArray, np.ndarray]:
    """Return the pieces as one array (count, LENGTH + 1, 4), and which of the notes after the first count."""
    notes = np.zeros((len(pieces), LENGTH + 1, 4), np.float32)
    counted = np.zeros((len(pieces), LENGTH), bool)
    for at, piece in enumerate(pieces):
        notes[at, : len(piece)] = piece
        counted[at, CONTEXT - 1 : len(piece) - 1] = True
    return notes, counted
