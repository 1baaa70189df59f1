"""Read a folder or an archive of MIDI files into arrays of notes, once; later runs find them in the cache."""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from improv.errors import CorpusError
from improv.predict.encoding import STEP, FloatArray
from improv.train.packed import NOTE, Packed, unpacked
from improv.train.readers import Reading, read_all
from improv.train.sources import JOURNAL, NOT_A_JOURNAL, File, Source, is_music, source
from improv.train.splits import TRAIN, VALIDATION, assign, licence

__all__ = ["CACHE", "TRAIN", "VALIDATION", "Corpus", "read"]

CACHE = Path("~/.cache/improv")

# Part of the cache's key: raise it when the same files would be read differently.
_VERSION = 2


@dataclass(frozen=True, slots=True)
class Corpus:
    """Music. `notes` holds all files one after the other; file i is `notes[bounds[i]:bounds[i + 1]]`.

    `skipped` counts the files left out, by reason; `left_out` names each (file, `reason: details`). `names` and
    `hashes` (of their bytes) are the files' own. `kept_back` counts the files of splits that were not asked for.
    """

    name: str
    licence: str
    notes: FloatArray
    bounds: NDArray[np.int64]
    splits: tuple[str, ...]
    skipped: dict[str, int]
    left_out: tuple[tuple[str, str], ...] = ()
    names: tuple[str, ...] = ()
    hashes: tuple[str, ...] = ()
    kept_back: dict[str, int] = field(default_factory=dict)

    def files(self, split: str) -> list[FloatArray]:
        """Return the notes of each file of a split."""
        pairs = zip(self.bounds[:-1], self.bounds[1:], strict=True)
        return [self.notes[a:b] for (a, b), own in zip(pairs, self.splits, strict=True) if own == split]

    def hours(self, split: str) -> float:
        """Return how long a split is, from each file's first onset to its last."""
        return sum(float(notes[:, STEP].sum(dtype=np.float64)) for notes in self.files(split)) / 3600

    def __str__(self) -> str:
        """Return one line for a person: what there is to train on, what is held out, what was skipped."""
        here, held_out = self.splits.count(TRAIN), self.splits.count(VALIDATION)
        kept_back = f", kept back: {_counted(self.kept_back)}" if self.kept_back else ""
        return (
            f"{self.name}, licence {self.licence}: {here} files to train on ({self.hours(TRAIN):.1f} hours),"
            f" {held_out} held out{kept_back}, skipped: {_counted(self.skipped) or 'none'}"
        )


def read(path: Path, cache: Path = CACHE, splits: Sequence[str] | None = (TRAIN, VALIDATION)) -> Corpus:
    """Return the music in `path`, a folder or an archive: MIDI files, and sessions of ours as their human played them.

    An `index.csv` (columns path, split) or MAESTRO's metadata say which files count and where they belong; without
    one all do, split by the hash of their bytes. Of other splits than `splits` nothing is returned: what is to test
    with is neither trained nor validated on (None: all splits are). Raises CorpusError where there is no music.
    """
    where = source(path)
    packed = _cached(where, path, cache)
    everything = _load(packed)
    if everything is None:
        everything = _parse(where, path)
        # A cache that cannot be written costs seconds next time, nothing more.
        with suppress(OSError):
            _store(packed, everything)
    if not everything.names and not everything.left_out:
        raise CorpusError(f"{path}: no MIDI files there")
    corpus = everything.of(where.name, splits)
    if not len(corpus.notes):
        count = len(everything.names) + len(everything.left_out)
        why = _counted(corpus.skipped | corpus.kept_back)
        raise CorpusError(f"{path}: no notes in any of {count} files ({why})")
    return corpus


@dataclass(frozen=True, slots=True)
class _Everything:
    """All that was read, as it is cached: every file of every split, packed."""

    licence: str
    notes: Packed
    bounds: NDArray[np.int64]
    names: tuple[str, ...]
    splits: tuple[str, ...]
    hashes: tuple[str, ...]
    left_out: tuple[tuple[str, str], ...]

    def of(self, name: str, splits: Sequence[str] | None) -> Corpus:
        """Return the corpus `name`: the files in `splits`, or all."""
        asked = [at for at, split in enumerate(self.splits) if splits is None or split in splits]
        notes, bounds = self.notes, self.bounds
        if len(asked) < len(self.splits):
            files = [notes[bounds[at] : bounds[at + 1]] for at in asked]
            notes, bounds = np.concatenate([notes[:0], *files]), _bounds(files)
        return Corpus(
            name,
            self.licence,
            unpacked(notes),
            bounds,
            tuple(self.splits[at] for at in asked),
            dict(Counter(reason.partition(":")[0] for _, reason in self.left_out)),
            self.left_out,
            tuple(self.names[at] for at in asked),
            tuple(self.hashes[at] for at in asked),
            dict(Counter(self.splits[at] for at in sorted(set(range(len(self.splits))) - set(asked)))),
        )


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {what}" for what, count in sorted(counts.items()))


def _bounds(files: Sequence[Packed]) -> NDArray[np.int64]:
    return np.cumsum([0, *map(len, files)], dtype=np.int64)


def _parse(where: Source, path: Path) -> _Everything:
    texts: dict[str, bytes] = {}

    def music() -> Iterator[File]:
        for file in where.files():
            if is_music(file.name):
                yield file
            else:
                texts[file.name] = file.data

    readings = {reading.name: reading for reading in _without_exports(read_all(music()))}
    try:
        splits = assign({name: reading.hash for name, reading in readings.items()}, texts)
    except CorpusError as error:
        raise CorpusError(f"{path}: {error}") from error
    found = {name: readings.get(name, Reading(name, reason="missing")) for name in sorted(splits)}
    kept = {name: reading.notes for name, reading in found.items() if reading.notes is not None}
    return _Everything(
        licence(texts),
        np.concatenate([np.empty(0, NOTE), *kept.values()]),
        _bounds(list(kept.values())),
        tuple(kept),
        tuple(splits[name] for name in kept),
        tuple(found[name].hash for name in kept),
        tuple((name, reading.reason) for name, reading in found.items() if reading.notes is None),
    )


def _without_exports(readings: list[Reading]) -> list[Reading]:
    """Leave out what is no journal, and the MIDI files that are exports of a journal beside them."""
    is_journal = {reading.name: PurePosixPath(reading.name).suffix.lower() == JOURNAL for reading in readings}
    ours = [reading for reading in readings if not is_journal[reading.name] or reading.reason != NOT_A_JOURNAL]
    sessions = {
        PurePosixPath(reading.name).with_suffix("")
        for reading in ours
        if is_journal[reading.name] and (reading.notes is not None or reading.reason.startswith("empty"))
    }
    return [
        reading
        for reading in ours
        if is_journal[reading.name] or PurePosixPath(reading.name).with_suffix("") not in sessions
    ]


def _cached(where: Source, path: Path, cache: Path) -> Path:
    """Return where in the cache the corpus is: named after the place, then after all that may change there."""
    place = hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:8]
    state = json.dumps([_VERSION, where.fingerprint()])
    return cache.expanduser() / f"{where.name}-{place}-{hashlib.sha256(state.encode()).hexdigest()[:12]}.npz"


def _store(packed: Path, everything: _Everything) -> None:
    packed.parent.mkdir(parents=True, exist_ok=True)
    draft = packed.with_suffix(f".{os.getpid()}")
    about = {each: getattr(everything, each) for each in ("licence", "names", "splits", "hashes", "left_out")}
    try:
        with draft.open("wb") as out:
            np.savez(out, notes=everything.notes, bounds=everything.bounds, about=json.dumps(about))
        draft.replace(packed)
    finally:
        draft.unlink(missing_ok=True)
    # What the place held before will not come back.
    for older in packed.parent.iterdir():
        if older != packed and older.suffix == ".npz" and older.name[:-16] == packed.name[:-16]:
            older.unlink(missing_ok=True)


def _load(packed: Path) -> _Everything | None:
    """Return what is in the cache; None where it is not there, or damaged."""
    try:
        # Opened here, for numpy leaves a damaged file open.
        with packed.open("rb") as file, np.load(file) as stored:
            about = json.loads(str(stored["about"]))
            notes, bounds = stored["notes"], stored["bounds"]
            if notes.dtype != NOTE or bounds[-1] != len(notes):
                return None
            left_out = tuple((name, reason) for name, reason in about["left_out"])
            names, splits, hashes = (tuple(about[each]) for each in ("names", "splits", "hashes"))
            return _Everything(about["licence"], notes, bounds, names, splits, hashes, left_out)
    except (OSError, EOFError, ValueError, KeyError, RuntimeError, BadZipFile):
        return None
