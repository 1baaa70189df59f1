"""Read a folder of MIDI files into arrays of notes, once; later runs find them in the cache."""

import csv
import hashlib
import json
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import symusic
from numpy.typing import NDArray

from improv.errors import CorpusError
from improv.predict.encoding import COLUMNS, DURATION, PITCH, STEP, VELOCITY, FloatArray

CACHE = Path("~/.cache/improv")
TRAIN, VALIDATION = "train", "validation"

# Part of the cache's key: raise it when the same files would be read differently.
_VERSION = 1
# Without an index, this share of the files is held out.
_HELD_OUT = 0.1


@dataclass(frozen=True, slots=True)
class Corpus:
    """A folder's music. `notes` holds all files one after the other; file i is `notes[bounds[i]:bounds[i + 1]]`.

    `skipped` counts the files left out, by reason.
    """

    name: str
    licence: str
    notes: FloatArray
    bounds: NDArray[np.int64]
    splits: tuple[str, ...]
    skipped: dict[str, int]

    def files(self, split: str) -> list[FloatArray]:
        """Return the notes of each file of a split."""
        pairs = zip(self.bounds[:-1], self.bounds[1:], strict=True)
        return [self.notes[a:b] for (a, b), own in zip(pairs, self.splits, strict=True) if own == split]

    def __str__(self) -> str:
        """Return one line for a person: what there is to train on, what is held out, what was skipped."""
        hours = sum(float(notes[:, STEP].sum()) for notes in self.files(TRAIN)) / 3600
        here, held_out = self.splits.count(TRAIN), self.splits.count(VALIDATION)
        return (
            f"{self.name}, licence {self.licence}: {here} files to train on ({hours:.1f} hours), {held_out} held out,"
            f" skipped: {_counted(self.skipped) or 'none'}"
        )


def read(folder: Path, cache: Path = CACHE) -> Corpus:
    """Return the music in `folder`. Raises CorpusError where there is none.

    `index.csv` (columns path, split) says which files count and where they belong; without one, all `*.mid` and
    `*.midi` files do, split by the hash of their bytes.
    """
    listed = _listed(folder)
    if not listed:
        raise CorpusError(f"{folder}: no MIDI files there")
    packed = cache.expanduser() / f"{folder.resolve().name}-{_key(listed)}.npz"
    corpus = _load(packed, folder)
    if corpus is None:
        corpus = _parse(listed, folder)
        # A cache that cannot be written costs seconds next time, nothing more.
        with suppress(OSError):
            _store(packed, corpus)
    if not len(corpus.notes):
        raise CorpusError(f"{folder}: no notes in any of {len(listed)} files ({_counted(corpus.skipped)})")
    return corpus


def read_notes(path: Path) -> FloatArray:
    """Return one file's notes by onset, then pitch: every track but the drums, in seconds of its tempo map.

    Raises CorpusError for a broken file.
    """
    try:
        # Any: its type stubs know no tracks.
        score: Any = symusic.Score(path, "second")
    except (RuntimeError, ValueError, OSError) as error:
        raise CorpusError(f"{path}: not readable as MIDI: {error}") from error
    tracks = [track.notes.numpy() for track in score.tracks if not track.is_drum]
    if not sum(len(track["time"]) for track in tracks):
        return np.empty((0, COLUMNS), np.float32)
    merged = {key: np.concatenate([track[key] for track in tracks]) for key in tracks[0]}
    order = np.lexsort((merged["pitch"], merged["time"]))
    onsets = merged["time"][order].astype(np.float64)
    notes = np.empty((len(order), COLUMNS), np.float32)
    notes[:, PITCH] = merged["pitch"][order]
    notes[:, STEP] = np.diff(onsets, prepend=onsets[:1])
    notes[:, DURATION] = merged["duration"][order]
    notes[:, VELOCITY] = merged["velocity"][order]
    return notes


def _counted(skipped: dict[str, int]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in sorted(skipped.items()))


def _listed(folder: Path) -> list[tuple[Path, str]]:
    index = folder / "index.csv"
    if index.is_file():
        with index.open(encoding="utf-8", newline="") as lines:
            try:
                return [(folder / row["path"], row["split"]) for row in csv.DictReader(lines)]
            except KeyError as error:
                raise CorpusError(f"{index}: no column {error}") from error
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in {".mid", ".midi"})
    return [(file, _split(file)) for file in files]


def _split(file: Path) -> str:
    # By content: the same music never falls on both sides, whatever it is called.
    share = int.from_bytes(hashlib.sha256(file.read_bytes()).digest()[:4]) / 2**32
    return VALIDATION if share < _HELD_OUT else TRAIN


def _key(listed: list[tuple[Path, str]]) -> str:
    seen = []
    for file, split in listed:
        stat = file.stat() if file.is_file() else None
        seen.append((str(file.resolve()), split, stat and (stat.st_size, stat.st_mtime_ns)))
    return hashlib.sha256(json.dumps([_VERSION, seen]).encode()).hexdigest()[:16]


def _parse(listed: list[tuple[Path, str]], folder: Path) -> Corpus:
    files, splits = [], []
    skipped: Counter[str] = Counter()
    for file, split in listed:
        if not file.is_file():
            skipped["missing"] += 1
            continue
        try:
            notes = read_notes(file)
        except CorpusError:
            skipped["broken"] += 1
            continue
        if not len(notes):
            skipped["empty"] += 1
            continue
        files.append(notes)
        splits.append(split)
    bounds = np.cumsum([0, *map(len, files)], dtype=np.int64)
    notes = np.concatenate([np.empty((0, COLUMNS), np.float32), *files])
    return Corpus(folder.resolve().name, _licence(folder), notes, bounds, tuple(splits), dict(skipped))


def _licence(folder: Path) -> str:
    """Return the title of the licence text in `folder`."""
    for file in sorted(folder.glob("LICEN[CS]E*")):
        title = file.read_text(encoding="utf-8", errors="replace").strip().partition("\n")[0].strip()
        return title.removesuffix(" License")
    return "unknown"


def _store(packed: Path, corpus: Corpus) -> None:
    packed.parent.mkdir(parents=True, exist_ok=True)
    draft = packed.with_suffix(".part")
    with draft.open("wb") as out:
        np.savez(
            out, notes=corpus.notes, bounds=corpus.bounds, splits=corpus.splits, skipped=json.dumps(corpus.skipped)
        )
    draft.replace(packed)


def _load(packed: Path, folder: Path) -> Corpus | None:
    """Return the corpus in the cache; None where it is not there, or damaged."""
    try:
        # Opened here, for numpy leaves a damaged file open.
        with packed.open("rb") as file, np.load(file) as stored:
            splits = tuple(str(split) for split in stored["splits"])
            skipped = json.loads(str(stored["skipped"]))
            return Corpus(folder.resolve().name, _licence(folder), stored["notes"], stored["bounds"], splits, skipped)
    except (OSError, ValueError, KeyError, BadZipFile):
        return None
