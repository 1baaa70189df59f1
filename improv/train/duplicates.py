"""Music that is on both sides of a split: the same file, the same notes, or much of the same piece.

Who is measured on what he was trained on, or on another take of it, looks better than he is.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from improv.events import PITCHES
from improv.predict.encoding import PITCH, STEP
from improv.train.corpus import Corpus
from improv.train.splits import TRAIN

SAME_BYTES, SAME_NOTES, SHARED = "the same bytes", "the same notes", "much of the same piece"

# A passage is so many notes, told by the intervals between them: in any key.
PASSAGE = 16
# What is struck within this is one chord, read from below: no two players spread it the same way.
CHORD_S = 0.05
# Of files with another take of their piece in the same set, 88 % (MAESTRO) and 76 % (rolls) share so many of their
# passages with it, and hardly one with another piece. Two jazz solos over the same tune share none.
LEAST_SHARE = 0.1
# A file with fewer passages than this shares 10 % by accident.
_FEWEST = 20
# A passage in more of the held-out files than this is an exercise.
_COMMON = 30

_Hashes = NDArray[np.uint64]
_Files = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A file that is held out, one to train on that it is too close to (`corpus: file`), and how.

    `share`: how many of the held-out file's passages are in the other, from 0 to 1.
    """

    held_out: str
    split: str
    train: str
    how: str
    share: float = 1.0


def duplicates(corpora: Sequence[Corpus]) -> list[Duplicate]:
    """Return for each file that is held out, of any of the `corpora`, the closest one to train on, if it is too close.

    Corpora that are trained on together are looked at together.
    """
    files = [
        _File(f"{corpus.name}: {name}", split, hashed)
        for corpus in corpora
        for name, split, hashed in zip(corpus.names, corpus.splits, corpus.hashes, strict=True)
    ]
    pitches = [
        corpus.notes[start:end, PITCH].astype(np.uint8)
        for corpus in corpora
        for start, end in zip(corpus.bounds[:-1], corpus.bounds[1:], strict=True)
    ]
    found: dict[int, Duplicate] = {}
    # A file with less than a passage is like many others.
    notes = [each.tobytes() if len(each) >= PASSAGE else None for each in pitches]
    for how, keys in ((SAME_BYTES, [file.hash for file in files]), (SAME_NOTES, notes)):
        for held_out, train in _equal(files, keys).items():
            found.setdefault(held_out, _duplicate(files, held_out, train, how))
    for held_out, (train, share) in _sharing(files, *_passages(corpora)).items():
        found.setdefault(held_out, _duplicate(files, held_out, train, SHARED, share))
    return [found[at] for at in sorted(found, key=lambda at: (-found[at].share, at))]


@dataclass(frozen=True, slots=True)
class _File:
    name: str
    split: str
    hash: str


def _duplicate(files: Sequence[_File], held_out: int, train: int, how: str, share: float = 1.0) -> Duplicate:
    return Duplicate(files[held_out].name, files[held_out].split, files[train].name, how, share)


def _equal(files: Sequence[_File], keys: Sequence[str | bytes | None]) -> dict[int, int]:
    """Return the held-out files that have the key of a file to train on, each with the first of those."""
    first: dict[str | bytes | None, int] = {}
    for at, (file, key) in enumerate(zip(files, keys, strict=True)):
        if file.split == TRAIN and key is not None:
            first.setdefault(key, at)
    return {
        at: first[key]
        for at, (file, key) in enumerate(zip(files, keys, strict=True))
        if file.split != TRAIN and key in first
    }


def _sharing(files: Sequence[_File], passages: _Hashes, owners: _Files) -> dict[int, tuple[int, float]]:
    """Return for each held-out file the file to train on with most of its passages, and the share, if that is much."""
    is_train = np.array([file.split == TRAIN for file in files])[owners]
    held, holders = _distinct(passages[~is_train], owners[~is_train])
    counts = np.bincount(holders, minlength=len(files))
    # What nobody held out has need not be sorted.
    is_shared = is_train.copy()
    is_shared[is_train] = _member(passages[is_train], held)
    shared, trainers = _distinct(passages[is_shared], owners[is_shared])
    first, last = np.searchsorted(held, shared, "left"), np.searchsorted(held, shared, "right")
    is_rare = last - first <= _COMMON
    first, many, trainers = first[is_rare], (last - first)[is_rare], trainers[is_rare]
    # Each passage to train on with each held-out file that has it.
    place = np.arange(many.sum()) - np.repeat(np.cumsum(many) - many, many) + np.repeat(first, many)
    pairs, together = np.unique(holders[place] * len(files) + np.repeat(trainers, many), return_counts=True)
    found: dict[int, tuple[int, float]] = {}
    for pair, count in zip(pairs.tolist(), together.tolist(), strict=True):
        held_out, train = divmod(pair, len(files))
        share = count / int(counts[held_out])
        if counts[held_out] >= _FEWEST and share >= max(LEAST_SHARE, found.get(held_out, (0, 0.0))[1]):
            found[held_out] = train, share
    return found


def _passages(corpora: Sequence[Corpus]) -> tuple[_Hashes, _Files]:
    """Return a number for every passage, equal for equal ones, and the place of the file that it is in."""
    lengths = [length for corpus in corpora for length in np.diff(corpus.bounds)]
    owners = np.repeat(np.arange(len(lengths)), lengths)
    is_chord = np.concatenate([corpus.notes[:, STEP] <= CHORD_S for corpus in corpora])
    is_chord[1:] &= owners[1:] == owners[:-1]
    notes = np.concatenate([corpus.notes[:, PITCH].astype(np.int64) for corpus in corpora])
    notes = np.sort(np.cumsum(~is_chord) * PITCHES + notes) % PITCHES
    count = max(0, len(notes) - PASSAGE + 1)
    intervals = (notes[1:] - notes[:-1] + PITCHES).astype(np.uint64)
    hashes = np.zeros(count, np.uint64)
    for at in range(PASSAGE - 1):
        # Multiplied and folded, as random number generators do (splitmix64); uint64 goes round.
        hashes += intervals[at : at + count]
        hashes *= np.uint64(0x9E3779B97F4A7C15)
        hashes ^= hashes >> np.uint64(29)
    inside = owners[:count] == owners[PASSAGE - 1 :]
    return hashes[inside], owners[:count][inside]


def _distinct(passages: _Hashes, owners: _Files) -> tuple[_Hashes, _Files]:
    """Return each passage of each owner once, sorted by passage."""
    order = np.lexsort((owners, passages))
    passages, owners = passages[order], owners[order]
    is_new = np.ones(len(order), bool)
    is_new[1:] = (passages[1:] != passages[:-1]) | (owners[1:] != owners[:-1])
    return passages[is_new], owners[is_new]


def _member(passages: _Hashes, of: _Hashes) -> NDArray[np.bool_]:
    """Return which of the `passages` are in `of`, which is sorted."""
    if not len(of):
        return np.zeros(len(passages), bool)
    place = np.minimum(np.searchsorted(of, passages), len(of) - 1)
    return np.asarray(of[place] == passages, np.bool_)
