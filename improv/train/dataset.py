"""Windows of notes, each with the note that followed it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from improv.predict.encoding import COLUMNS, DURATION, PITCH, STEP, FloatArray, tutorial_features

if TYPE_CHECKING:  # brings symusic
    from improv.train.corpus import Corpus

Indices = NDArray[np.int64]
Labels = dict[str, NDArray[np.float32] | NDArray[np.int32]]


@dataclass(frozen=True, slots=True)
class Windows:
    """Every place in some music where `length` notes and one more follow each other in the same file."""

    notes: FloatArray
    starts: Indices
    length: int

    def draw(self, count: int, rng: np.random.Generator) -> Indices:
        """Return `count` places in random order, none twice unless there are fewer than that."""
        return rng.choice(self.starts, count, replace=count > len(self.starts))

    def spread(self, count: int) -> Indices:
        """Return at most `count` places, evenly spread over the whole."""
        count = min(count, len(self.starts))
        return self.starts[np.linspace(0, len(self.starts) - 1, count).astype(np.int64)]

    def cut(self, starts: Indices) -> tuple[FloatArray, Labels]:
        """Return the windows at `starts` as the tutorial's network reads them (…, length, 3), and what followed."""
        windows = self.notes[starts[:, None] + np.arange(self.length)]
        following = self.notes[starts + self.length]
        return tutorial_features(windows), {
            "pitch": following[:, PITCH].astype(np.int32),
            "step": following[:, [STEP]],
            "duration": following[:, [DURATION]],
        }


def windows(corpora: Sequence["Corpus"], split: str, length: int) -> Windows:
    """Return the windows of `length` notes in a split of all `corpora`."""
    return windows_in([notes for corpus in corpora for notes in corpus.files(split)], length)


def windows_in(files: Sequence[FloatArray], length: int) -> Windows:
    """Return the windows of `length` notes in `files`, each the notes (n, 4) of one."""
    offsets = np.cumsum([0, *map(len, files)], dtype=np.int64)
    starts = [offset + np.arange(max(0, len(notes) - length)) for offset, notes in zip(offsets, files, strict=False)]
    return Windows(
        np.concatenate([np.empty((0, COLUMNS), np.float32), *files]),
        np.concatenate([np.empty(0, np.int64), *starts]),
        length,
    )
