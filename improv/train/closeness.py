"""How close an answer of seconds is to what truly came, and how it behaves: measures that no score is told."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from improv.events import PITCHES, Note
from improv.play.scoring import QUANTITIES, profiles, shared
from improv.predict.repetition import STEP_S

Numbers = NDArray[np.float64]

# The first is the one that decides.
MEASURES = ("overlap", "roll")
MANNERS = ("like the call", "copied", "again")
# Notes of a run that is looked for elsewhere.
_RUN = 4
# Onsets are compared on cells this long (seconds), each of them spread over its own and the two beside it.
_CELL_S = 0.25
_SPREAD = ((-1, 0.25), (0, 0.5), (1, 0.25))


def closeness(
    answers: Sequence[Sequence[Note]], truth: Sequence[Note], seconds: float, *, loud: bool
) -> dict[str, Numbers]:
    """Return how close answers of so many `seconds` are to the truth, 0 to 1, by measure (answers).

    `overlap`: what the distributions of pitch class, pitch, interval, step, duration and (of music that is `loud` and
    soft) velocity have in common, on the mean: blind to order. `roll`: the F-score of a piano roll of onsets, at their
    pitches and times: blind to durations and velocities.
    """
    these, those = profiles(answers), profiles([truth])
    counted = slice(None) if loud else [name != "velocity" for name in QUANTITIES]
    true = _roll(truth, seconds)
    return {
        "overlap": shared(these, those)[:, counted].mean(axis=1).astype(np.float64),
        "roll": np.array([_f_score(_roll(answer, seconds), true) for answer in answers]),
    }


def _roll(notes: Sequence[Note], seconds: float) -> Numbers:
    cells = int(seconds / _CELL_S) + 1
    roll = np.zeros((cells + 2, PITCHES))
    for note in notes:
        at = min(int(note.onset / _CELL_S), cells - 1) + 1
        for beside, share in _SPREAD:
            roll[at + beside, note.pitch] += share
    return roll


def _f_score(roll: Numbers, true: Numbers) -> float:
    return float(2 * np.minimum(roll, true).sum() / (roll.sum() + true.sum()))


def manners(answers: Sequence[Sequence[Note]], heard: Sequence[Note], call: Sequence[Note]) -> dict[str, Numbers]:
    """Return how answers behave, by MANNERS (answers).

    How much their distributions have in common with those of the `call`; what share of their runs of 4 notes (pitch,
    step to 50 ms) was `heard` before; what share is their own, again.
    """
    before = set(_runs(heard))
    runs = [_runs(answer) for answer in answers]
    return {
        "like the call": shared(profiles(answers), profiles([call])).mean(axis=1).astype(np.float64),
        "copied": np.array([sum(run in before for run in own) / max(1, len(own)) for own in runs]),
        "again": np.array([1 - len(set(own)) / max(1, len(own)) if own else 0.0 for own in runs]),
    }


def _runs(notes: Sequence[Note]) -> list[tuple[tuple[int, int], ...]]:
    onsets = np.array([note.onset for note in notes])
    steps = np.rint(np.diff(onsets) / STEP_S).astype(int).tolist()
    symbols = [(note.pitch, step) for note, step in zip(notes[1:], steps, strict=True)]
    return [tuple(symbols[at : at + _RUN]) for at in range(len(symbols) - _RUN + 1)]
