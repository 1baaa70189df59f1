"""Hand-made corpora to learn from, and to be examined on."""

import numpy as np

from improv.train.corpus import TRAIN, VALIDATION, Corpus


def notes(pitches, steps=0.25, durations=0.2, velocities=80):
    """Return notes (n, 4)."""
    made = np.empty((len(pitches), 4), np.float32)
    made[:, 0], made[:, 1], made[:, 2], made[:, 3] = pitches, steps, durations, velocities
    return made


def corpus(*files, held_out=1):
    """Return a corpus of these files, the last ones held out."""
    bounds = np.cumsum([0, *map(len, files)], dtype=np.int64)
    splits = (TRAIN,) * (len(files) - held_out) + (VALIDATION,) * held_out
    return Corpus("made", "MIT", np.concatenate(files), bounds, splits, {})


def noise(count, seed, velocities=None):
    """Return notes that nobody can foresee, some of them in chords."""
    rng = np.random.default_rng(seed)
    steps = rng.choice([0.0, 0.0, 0.13, 0.25, 0.5, 9.0], count)
    durations = rng.exponential(0.4, count)
    drawn = rng.integers(1, 128, count) if velocities is None else velocities
    return notes(rng.integers(0, 128, count), steps, durations, drawn)
