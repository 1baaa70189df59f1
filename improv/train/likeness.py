"""How like two passages of music are, and how one goes round in circles: measures of notes alone, without a model."""

import numpy as np
from numpy.typing import NDArray

from improv.events import PITCHES
from improv.predict.bins import time_bins
from improv.predict.encoding import DURATION, PITCH, STEP, VELOCITY, FloatArray
from improv.predict.grid import TIMES, VELOCITIES, VELOCITY_WIDTH
from improv.predict.repetition import RUN, STEP_S

Counts = NDArray[np.float64]

CLASSES = 12
# More notes than these at once are counted as these.
_VOICES = 16
# How many values each quantity has that is compared.
SIZES = {"pitch class": CLASSES, "step": TIMES, "duration": TIMES, "velocity": VELOCITIES, "polyphony": _VOICES + 1}

# How well each pitch class fits a major and a minor key, from its tonic upwards (Krumhansl and Kessler 1982).
_PROFILES = (
    (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88),
    (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17),
)
# The pitch classes of a major key, and of a natural minor one.
_SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10))


def histograms(notes: FloatArray) -> dict[str, Counts]:
    """Return how often each value of each quantity occurs in `notes` (n, 4): times in their bins, velocities in theirs.

    Velocities that are not known (0, or NaN) are not counted.
    """
    velocity = notes[:, VELOCITY]
    values: dict[str, NDArray[np.integer]] = {
        "pitch class": notes[:, PITCH].astype(np.int64) % CLASSES,
        "step": time_bins(notes[:, STEP]),
        "duration": time_bins(notes[:, DURATION]),
        "velocity": (velocity[velocity > 0] / VELOCITY_WIDTH).astype(np.int64),
        "polyphony": np.minimum(polyphony(notes), _VOICES),
    }
    return {name: np.bincount(own, minlength=SIZES[name]).astype(np.float64) for name, own in values.items()}


def overlap(these: Counts, those: Counts) -> Counts:
    """Return how much distributions (…, values) have in common (…): 1 minus their total variation distance.

    NaN where nothing was counted.
    """
    totals = [counts.sum(axis=-1, keepdims=True) for counts in (these, those)]
    shares = [
        np.divide(*pair, out=np.full(pair[0].shape, np.nan), where=pair[1] > 0)
        for pair in ((these, totals[0]), (those, totals[1]))
    ]
    return np.asarray(np.minimum(*shares).sum(axis=-1), np.float64)


def polyphony(notes: FloatArray) -> NDArray[np.int64]:
    """Return how many of `notes` (n, 4) sound as each of them begins, itself among them (n)."""
    onsets = np.cumsum(notes[:, STEP].astype(np.float64))
    ends = onsets + np.maximum(notes[:, DURATION], 0)
    # By order, not only by time: a note counts for itself, however short.
    sounding = np.searchsorted(onsets, onsets, "right") - np.searchsorted(np.sort(ends), onsets, "right")
    return np.asarray(np.maximum(sounding, 1), np.int64)


def key(notes: FloatArray) -> NDArray[np.int64]:
    """Return the seven pitch classes of the key that `notes` (n, 4) are most likely in (Krumhansl and Schmuckler).

    Each pitch class counts by how long it sounds.
    """
    weights = np.bincount(notes[:, PITCH].astype(np.int64) % CLASSES, np.maximum(notes[:, DURATION], 0), CLASSES)
    fits = []
    for mode, profile in enumerate(_PROFILES):
        for tonic in range(CLASSES):
            rotated = np.roll(profile, tonic)
            spread = weights.std() * rotated.std()
            fit = ((weights - weights.mean()) * (rotated - rotated.mean())).mean() / spread if spread else 0.0
            fits.append((fit, -mode, -tonic))
    _, mode, tonic = max(fits)
    return (np.array(_SCALES[-mode]) - tonic) % CLASSES


def in_key(notes: FloatArray, classes: NDArray[np.int64]) -> int:
    """Return how many of `notes` (n, 4) have one of the pitch `classes`."""
    return int(np.isin(notes[:, PITCH].astype(np.int64) % CLASSES, classes).sum())


def repeated(notes: FloatArray) -> tuple[int, int]:
    """Return how many runs of RUN notes occurred before in the same `notes` (n, 4), and how many runs there are."""
    symbols = _symbols(notes)
    runs = [tuple(symbols[at : at + RUN]) for at in range(len(symbols) - RUN + 1)]
    return len(runs) - len(set(runs)), len(runs)


def in_a_row(notes: FloatArray, length: int = RUN) -> int:
    """Return how many times in a row some run of `length` of the `notes` (n, 4) is played at most; 1 if never again."""
    symbols = _symbols(notes)
    same = symbols[length:] == symbols[:-length]
    # The longest stretch in which every note is that of `length` notes before.
    differing = np.flatnonzero(~same)
    longest = np.diff(np.concatenate([[-1], differing, [len(same)]])).max() - 1
    return int(longest // length + 1)


def circles(notes: FloatArray) -> int:
    """Return how many times in a row some run of at most RUN of the `notes` (n, 4) is played at most."""
    return max(in_a_row(notes, length) for length in range(1, RUN + 1))


def _symbols(notes: FloatArray) -> NDArray[np.int64]:
    """Return what is the same for notes that are the same: by pitch, and step to 50 ms (n)."""
    steps = np.round(notes[:, STEP] / STEP_S).astype(np.int64)
    return steps * PITCHES + notes[:, PITCH].astype(np.int64)
