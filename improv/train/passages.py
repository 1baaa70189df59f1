"""What is asked of everybody who foresees notes: the same notes, after the same notes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from improv.predict.bins import IntArray, binned
from improv.predict.encoding import COLUMNS, FloatArray
from improv.train.corpus import Corpus
from improv.train.sequences import Music

Indices = NDArray[np.int64]

# As many notes as the tutorial's network sees come before every note that is foreseen.
CONTEXT = 25


@dataclass(frozen=True, slots=True, eq=False)
class Questions:
    """Notes to foresee. `music`: each note from number CONTEXT of each file, after all that came before it.

    `windows` (by their number of notes before, each (n, number + 1, 4)): the last note of each, after those alone.
    `files` (n): of which file of `music` a window is.
    """

    music: Music
    windows: dict[int, FloatArray]
    files: Indices

    @property
    def targets(self) -> Indices:
        """Where in `music.notes` the notes to foresee are."""
        spans = zip(self.music.starts, self.music.ends, strict=True)
        return np.concatenate([np.empty(0, np.int64), *(np.arange(a + CONTEXT, b) for a, b in spans)])

    @property
    def target_files(self) -> Indices:
        """Of which file of `music` each of them is."""
        return np.repeat(np.arange(len(self.music.starts)), self.music.ends - self.music.starts - CONTEXT)


def questions(corpus: Corpus, split: str, files: int | None, contexts: Sequence[int], count: int) -> Questions:
    """Return what is asked about a split of `corpus`: of at most so many `files`, evenly spread, or of all.

    At most `count` windows for each of the `contexts`, evenly spread over all notes that have the most of them before.
    """
    music = chosen(Music.of([corpus], split, CONTEXT + 1), files)
    most = max(contexts)
    spans = list(zip(music.starts, music.ends, strict=True))
    places = np.concatenate([np.empty(0, np.int64), *(np.arange(a + most, b) for a, b in spans)])
    places = places[evenly(len(places), count)]
    windows = {before: music.notes[places[:, None] + np.arange(-before, 1)] for before in contexts}
    return Questions(music, windows, np.searchsorted(music.ends, places, "right"))


def chosen(music: Music, count: int | None) -> Music:
    """Return at most `count` files of `music`, evenly spread."""
    if count is None:
        return music
    which = evenly(len(music.starts), count)
    return Music(music.notes, music.starts[which], music.ends[which], music.styles[which])


def evenly(size: int, count: int) -> Indices:
    """Return at most `count` of the numbers below `size`, evenly spread."""
    return np.unique(np.linspace(0, size - 1, min(size, count)).astype(np.int64)) if size else np.empty(0, np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Passages:
    """Passages one after the other, in bins (n, 4); `places` (n) is the number of each note in its own."""

    bins: IntArray
    places: Indices

    @classmethod
    def of_music(cls, music: Music) -> "Passages":
        """Return the files of `music`."""
        spans = list(zip(music.starts, music.ends, strict=True))
        notes = np.concatenate([np.empty((0, COLUMNS), np.float32), *(music.notes[a:b] for a, b in spans)])
        return cls(binned(notes), np.concatenate([np.empty(0, np.int64), *(np.arange(b - a) for a, b in spans)]))

    @classmethod
    def of_windows(cls, windows: FloatArray) -> "Passages":
        """Return each of `windows` (n, length, 4) as a passage of its own."""
        count, length, _ = windows.shape
        return cls(binned(windows.reshape(-1, COLUMNS)), np.tile(np.arange(length), count))


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """Passages, and which of their notes (`rows`) are to be foreseen."""

    passages: Passages
    rows: Indices

    def chunks(self, size: int) -> Iterator[Indices]:
        """Yield the rows, so many at a time."""
        for at in range(0, len(self.rows), size):
            yield self.rows[at : at + size]


def asked(these: Questions) -> dict[int | None, Asked]:
    """Return the questions as passages: under None those about whole files, else by the number of notes before."""
    whole = Passages.of_music(these.music)
    kinds: dict[int | None, Asked] = {None: Asked(whole, np.flatnonzero(whole.places >= CONTEXT))}
    for before, windows in these.windows.items():
        passages = Passages.of_windows(windows)
        kinds[before] = Asked(passages, np.flatnonzero(passages.places == before))
    return kinds
