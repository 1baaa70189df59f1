"""The tutorial's network in Keras' operations."""

import numpy as np
from keras import ops

from improv.engine.backend import Tensor, compiled
from improv.engine.bodies import Lstm
from improv.engine.draws import Taste64, as_numbers, draw_pitch, sooner
from improv.predict.encoding import COLUMNS, FloatArray, tutorial_features
from improv.predict.engine import ModelInfo, State, Taste
from improv.predict.numpy_engine import MIN_DURATION_S
from improv.predict.weights import Weights


class TutorialEngine:
    """An engine for the tutorial's network, as `NumpyEngine` is. A state's `hidden` and `cell` are on the device."""

    def __init__(self, weights: Weights, *, carry: bool | None = None, fused: bool = True) -> None:
        card = weights.card
        self._carry = card.carry if carry is None else carry
        self.info = ModelInfo(weights.name, card.network, card.window, weights.hash, self._carry, has_velocity=False)
        self._tensors = {name: ops.convert_to_tensor(tensor) for name, tensor in weights.tensors.items()}
        self._body = Lstm(self._tensors)
        self._heard = compiled(self._hear, fused=fused)
        self._step = compiled(self._body.step, fused=fused)
        self._drawn = compiled(self._draw, fused=fused)
        self._headed = compiled(self._heads, fused=fused)

    def prime(self, notes: FloatArray, batch: int = 1) -> State:
        """Return the state after `notes` (n >= 1, 4), of which the last `info.window` count, for `batch` candidates."""
        window = notes[-self.info.window :]
        return self._after(np.broadcast_to(window, (batch, len(window), COLUMNS)))

    def advance(self, state: State, notes: FloatArray) -> State:
        """Return the state after one more note for each candidate: `notes` (batch, 4)."""
        if self._carry:
            return State(state.notes, *self._step(state.hidden, state.cell, tutorial_features(notes)))
        return self._after(np.concatenate([state.notes, notes[:, None]], axis=1)[:, -self.info.window :])

    def draw(self, state: State, uniforms: FloatArray, taste: Taste) -> FloatArray:
        """Return a next note for each candidate (batch, 4); its velocity is NaN: this network has none."""
        return np.array(self._drawn(state.hidden, uniforms, as_numbers(taste)), np.float32)

    def logits(self, state: State) -> dict[str, FloatArray]:
        """Return the network's outputs: pitch (batch, 128), step and duration (batch, 1) in seconds."""
        return {head: np.asarray(each) for head, each in self._headed(state.hidden).items()}

    def _after(self, window: FloatArray) -> State:
        batch, count, _ = window.shape
        # One shape, however few the notes: compiled once.
        features = np.zeros((self.info.window, batch, 3), np.float32)
        features[:count] = tutorial_features(window).swapaxes(0, 1)
        kept = window[:, :0] if self._carry else window
        return State(kept, *self._heard(features, np.int32(count)))

    def _hear(self, features: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
        """Return hidden and cell after the first `count` of `features` (window, batch, 3)."""

        def step(at: Tensor, hidden: Tensor, cell: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            return (at + 1, *self._body.step(hidden, cell, features[at]))

        start = (np.int32(0), *self._body.start(features.shape[1]))
        _, hidden, cell = ops.while_loop(lambda at, *_: at < count, step, start)
        return hidden, cell

    def _heads(self, hidden: Tensor) -> dict[str, Tensor]:
        tensors = self._tensors
        return {
            head: ops.matmul(hidden, tensors[f"{head}.kernel"]) + tensors[f"{head}.bias"]
            for head in ("pitch", "step", "duration")
        }

    def _draw(self, hidden: Tensor, uniforms: Tensor, numbers: Tensor) -> Tensor:
        """Return notes (batch, 4): step and duration are points, as the network has them."""
        heads, taste = self._heads(hidden), Taste64.of(numbers)
        pitch = ops.cast(draw_pitch(heads["pitch"], uniforms[:, 0], taste), "float32")
        step = ops.maximum(sooner(heads["step"][:, 0], taste), ops.cast(taste.elapsed_s, "float32"))
        duration = ops.maximum(heads["duration"][:, 0], np.float32(MIN_DURATION_S))
        return ops.stack([pitch, step, duration, ops.full_like(pitch, np.nan)], axis=1)
