"""Draw notes without getting caught in a loop: a figure may come back, but not for ever."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from improv.predict.encoding import PITCH, STEP, FloatArray
from improv.predict.engine import Engine, State, Taste

# A loop is a run of up to so many notes that comes again at once, alike in pitch and, to 50 ms, in step.
RUN = 8
STEP_S = 0.05
# A run of RUN notes comes so many times in a row at most; a shorter one until as many notes are played.
IN_A_ROW = 4

_LONGEST = RUN * IN_A_ROW
_LAGS = np.arange(1, RUN + 1)
# Each attempt to leave a loop is this much wilder; the last of them heeds the model hardly at all.
_WILDER = 1.5
_ATTEMPTS = 12
# Added to a uniform number, modulo 1, it gives another one, and is slow to come near where it was.
_GOLDEN = np.float32((5**0.5 - 1) / 2)


class LoopGuard:
    """Draws from an engine, for each of `batch` candidates; what would go on with a loop is drawn again. One owner."""

    def __init__(self, batch: int = 1) -> None:
        # The last notes, the latest first, and for how long each has been the same as the one a lag before it.
        self._last = np.full((batch, RUN, 2), -1, np.int64)
        self._same = np.zeros((batch, RUN), np.int64)

    def draw(self, engine: Engine, state: State, uniforms: FloatArray, taste: Taste) -> FloatArray:
        """Return a next note for each candidate (batch, 4) as `engine.draw` does, and the same for the same calls."""
        notes = engine.draw(state, uniforms, taste)
        same = self._counted(notes)
        caught = _looping(same)
        for attempt in range(1, _ATTEMPTS + 1):
            if not caught.any():
                break
            wilder = replace(taste, temperature=taste.temperature * _WILDER**attempt, top_p=1.0)
            others = engine.draw(state, (uniforms + attempt * _GOLDEN) % 1, wilder)
            notes[caught] = others[caught]
            same = self._counted(notes)
            caught = _looping(same)
        self._same = same
        self._last = np.concatenate([_keys(notes)[:, None], self._last[:, :-1]], axis=1)
        return notes

    def keep(self, which: NDArray[np.int64]) -> None:
        """Go on with these of the candidates alone."""
        self._last, self._same = self._last[which], self._same[which]

    def _counted(self, notes: FloatArray) -> NDArray[np.int64]:
        again = (self._last == _keys(notes)[:, None]).all(axis=-1)
        return np.where(again, self._same + 1, 0)


def _keys(notes: FloatArray) -> NDArray[np.int64]:
    return np.stack([notes[..., PITCH], np.rint(notes[..., STEP] / STEP_S)], axis=-1).astype(np.int64)


def _looping(same: NDArray[np.int64]) -> NDArray[np.bool_]:
    return np.asarray((same > _LONGEST - _LAGS).any(axis=1))
