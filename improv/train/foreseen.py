"""How well notes were foreseen, note by note, whoever foresaw them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from improv.predict.bins import CELLS, DURATION_BIN, PITCH_BIN, STEP_BIN, VELOCITY_BIN, IntArray
from improv.predict.encoding import FloatArray
from improv.predict.grid import NO_VELOCITY
from improv.train.passages import Questions

# A note is a chord's when its step lies in the first two cells of 10 ms.
CHORD_CELLS = 2
_FEW = 5
_PARTS = {"step": STEP_BIN, "pitch": PITCH_BIN, "velocity": VELOCITY_BIN, "duration": DURATION_BIN}


@dataclass(frozen=True, slots=True, eq=False)
class Foreseen:
    """What came of foreseeing n notes, each (n).

    `step`, `pitch`, `velocity`, `duration`: -log p of what was played, in nats; of a time, of the 10 ms cell that
    holds it; NaN where nobody knows (a velocity in a file without dynamics, a part that is not foreseen at all).
    `top_1`, `top_5`: whether the pitch was among the one, the five most likely, given the parts drawn before it; with
    equals, how likely it is to be. `chord`: whether a step below 20 ms was held more likely than not (of a point
    predictor: was predicted), before anything of the note was known.
    """

    step: FloatArray
    pitch: FloatArray
    velocity: FloatArray
    duration: FloatArray
    top_1: FloatArray
    top_5: FloatArray
    chord: NDArray[np.bool_]


_NONE = np.empty(0, np.float32)
_NOTHING = Foreseen(_NONE, _NONE, _NONE, _NONE, _NONE, _NONE, np.empty(0, bool))


class Predictor(Protocol):
    """Somebody who foresees notes."""

    def foresee(self, these: Questions) -> dict[int | None, Foreseen]:
        """Return the answers: under None those about whole files, else by the number of notes before (`passages`)."""


def judged(logits: Mapping[str, FloatArray], bins: IntArray) -> Foreseen:
    """Return how well distributions foresaw notes in `bins` (n, 4): `logits` (n, symbols) of each part, or log p.

    A part that is not there is unknown; without step, no note is a chord's.
    """
    unknown = np.full(len(bins), np.nan, np.float32)
    nats = dict.fromkeys(_PARTS, unknown)
    for part, own in logits.items():
        nats[part] = _nats(own, bins[:, _PARTS[part]])
    for part in ("step", "duration"):
        # A bin's probability is shared evenly among its cells.
        nats[part] = nats[part] + np.log(CELLS)[bins[:, _PARTS[part]]].astype(np.float32)
    top_1, top_5 = (_among(logits["pitch"], bins[:, PITCH_BIN], few) for few in (1, _FEW))
    chord = _expects_chord(logits["step"]) if "step" in logits else np.zeros(len(bins), bool)
    return Foreseen(**nats, top_1=top_1, top_5=top_5, chord=chord)


def joined(pieces: Sequence[Foreseen]) -> Foreseen:
    """Return the pieces as one, in their order."""
    names = [field.name for field in fields(Foreseen)]
    pieces = [_NOTHING, *pieces]
    return Foreseen(**{name: np.concatenate([getattr(piece, name) for piece in pieces]) for name in names})


def _nats(logits: FloatArray, true: IntArray) -> FloatArray:
    known = true != NO_VELOCITY if logits.shape[1] == NO_VELOCITY else np.ones(len(true), bool)
    peak = logits.max(axis=1, keepdims=True)
    whole = np.log(np.exp(logits - peak).sum(axis=1)) + peak[:, 0]
    own = logits[np.arange(len(true)), np.where(known, true, 0)]
    return np.asarray(np.where(known, whole - own, np.nan), np.float32)


def _among(logits: FloatArray, true: IntArray, few: int) -> FloatArray:
    own = logits[np.arange(len(true)), true][:, None]
    above, equals = (logits > own).sum(axis=1), (logits == own).sum(axis=1)
    return np.asarray(np.clip((few - above) / equals, 0, 1), np.float32)


def _expects_chord(logits: FloatArray) -> NDArray[np.bool_]:
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    # Its bins are single cells.
    return np.asarray(weights[:, :CHORD_CELLS].sum(axis=1) > 0.5 * weights.sum(axis=1))
