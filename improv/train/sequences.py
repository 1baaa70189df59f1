"""Sequences of notes to train on: cut at random, transposed, faster or slower, louder or softer, in bins."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from improv.predict.bins import VELOCITY_BIN, IntArray, binned
from improv.predict.encoding import COLUMNS, DURATION, PITCH, STEP, VELOCITY, FloatArray
from improv.predict.grid import NO_VELOCITY
from improv.train.corpus import Corpus

# The last column of what is heard: the style, 0 where it is not told.
HEARD_COLUMNS = COLUMNS + 1

TRANSPOSE = 6
_TEMPO = 0.15
_LOUDNESS = 12
# So often, the music goes on in another key in mid-sequence: a player's surprise.
_SURPRISES = 0.15
# In so many of the sequences that mix in the network's own notes, so many of their notes are its own.
_MIXED, _OWN = 0.5, 0.25
# So often, the network is not told the style: it plays for people who choose none.
_UNTOLD = 0.5
# A file whose velocities stray no further than this has no dynamics.
_FLAT = 0.5


@dataclass(frozen=True, slots=True)
class Music:
    """The files of a split. `starts[i]` is where file i begins in `notes`, `ends[i]` where it ends.

    A file without dynamics has velocity 0; `styles[i]` is the place of its corpus among the styles, from 1.
    """

    notes: FloatArray
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    styles: NDArray[np.int32]

    @classmethod
    def of(cls, corpora: Sequence[Corpus], split: str, least: int, known: Sequence[str] | None = None) -> "Music":
        """Return the files of at least `least` notes. `known`: the model's styles; None: the corpora in their order."""
        files, styles = [], []
        for place, corpus in enumerate(corpora):
            for notes in corpus.files(split):
                if len(notes) >= least:
                    files.append(_with_known_velocities(notes))
                    styles.append(1 + (place if known is None else known.index(corpus.name)))
        ends = np.cumsum([len(notes) for notes in files], dtype=np.int64)
        starts = ends - np.array([len(notes) for notes in files], np.int64)
        notes = np.concatenate([np.empty((0, COLUMNS), np.float32), *files])
        return cls(notes, starts, ends, np.array(styles, np.int32))

    @property
    def shortest(self) -> int:
        """The length of the shortest file."""
        return int((self.ends - self.starts).min())

    def draw(self, count: int, length: int, rng: np.random.Generator) -> tuple[IntArray, IntArray, NDArray[np.bool_]]:
        """Return `count` sequences from random places, altered at random. Every place is as likely as any other.

        What is heard (count, length, 5), what comes after each of it (count, length, 4), and which of that counts
        (count, length): beyond the end of a file that is shorter, its last note is repeated.
        """
        places = np.maximum(self.ends - self.starts - length, 1)
        ends = np.cumsum(places)
        drawn = rng.integers(0, ends[-1], count)
        file = np.searchsorted(ends, drawn, "right")
        start = self.starts[file] + drawn - (ends[file] - places[file])
        at = start[:, None] + np.arange(length + 1)
        end = self.ends[file][:, None]
        notes = _altered(self.notes[np.minimum(at, end - 1)], rng)
        told = np.where(rng.random(count) < _UNTOLD, 0, self.styles[file])
        return *heard_and_coming(notes, told), at[:, 1:] < end

    def chunks(self, length: int, least: int) -> list[tuple[FloatArray, int, int]]:
        """Return every file in pieces of `length` + 1 notes, with how many come first as mere context, and its style.

        Each note from number `least` of a file is foreseen once, after at least `least` others.
        """
        return [
            (self.notes[at : min(at + length + 1, end)], least, int(style))
            for start, end, style in zip(self.starts, self.ends, self.styles, strict=True)
            for at in range(start, end - least, length + 1 - least)
        ]


def _with_known_velocities(notes: FloatArray) -> FloatArray:
    if notes[:, VELOCITY].std() >= _FLAT:
        return notes
    notes = notes.copy()
    notes[:, VELOCITY] = 0
    return notes


def heard_and_coming(notes: FloatArray, told: NDArray[np.int32]) -> tuple[IntArray, IntArray]:
    """Return what is heard of `notes` (count, length + 1, 4) in the styles `told` (count), and what comes after it."""
    # Nothing came before the first note.
    notes = notes.copy()
    notes[:, 0, STEP] = 0
    bins = binned(notes)
    heard = np.empty((*bins[:, 1:].shape[:2], HEARD_COLUMNS), np.int32)
    heard[..., :COLUMNS] = bins[:, :-1]
    heard[..., COLUMNS] = told[:, None]
    return heard, bins[:, 1:]


def mixed(heard: IntArray, own: IntArray, rng: np.random.Generator) -> IntArray:
    """Return `heard` (count, length, 5) with some notes replaced by what the network had expected in their place.

    `own` (count, length, 4): its notes for each place of what was coming. What is to come stays true, so that it learns
    to find its way back after notes that nobody else played (parallel scheduled sampling, Duckworth et al. 2019).
    """
    count, length, _ = heard.shape
    which = (rng.random((count, 1)) < _MIXED) & (rng.random((count, length - 1)) < _OWN)
    notes = np.where(which[..., None], own[:, :-1], heard[:, 1:, :COLUMNS])
    # Where a file has no dynamics, nobody's notes have.
    notes[..., VELOCITY_BIN] = np.where(
        heard[:, 1:, VELOCITY_BIN] == NO_VELOCITY, NO_VELOCITY, notes[..., VELOCITY_BIN]
    )
    return np.concatenate(
        [heard[:, :1], np.concatenate([notes, heard[:, 1:, COLUMNS:]], axis=-1)], axis=1, dtype=np.int32
    )


def _altered(notes: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Return `notes` (count, length, 4) each in another key, tempo and loudness, some changing key on their way."""
    count, length, _ = notes.shape
    shift = np.repeat(rng.integers(-TRANSPOSE, TRANSPOSE + 1, (count, 1)), length, axis=1)
    surprised = rng.random((count, 1)) < _SURPRISES
    moment = rng.integers(1, length, (count, 1))
    further = rng.integers(-TRANSPOSE, TRANSPOSE + 1, (count, 1))
    shift += np.where(surprised & (np.arange(length) >= moment), further, 0)
    notes = notes.copy()
    pitches = notes[..., PITCH] + shift
    # What would leave the keyboard stays, an octave nearer.
    pitches = np.where(pitches > 108, pitches - 12, np.where(pitches < 21, pitches + 12, pitches))
    notes[..., PITCH] = np.clip(pitches, 0, 127)
    notes[..., [STEP, DURATION]] *= np.exp(rng.uniform(-_TEMPO, _TEMPO, (count, 1, 1))).astype(np.float32)
    velocity = notes[..., VELOCITY]
    louder = np.clip(velocity + rng.integers(-_LOUDNESS, _LOUDNESS + 1, (count, 1)), 1, 127)
    notes[..., VELOCITY] = np.where(velocity > 0, louder, 0)
    return notes
