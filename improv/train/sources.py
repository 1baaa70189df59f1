"""Where a corpus lies: a folder, a zip or a tar archive, as a stream of its files. Nothing is unpacked onto the disk.

A file's name is its path inside, with slashes. Names in an archive are names and nothing else: no path on this machine
is ever made of them.
"""

import lzma
import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Protocol

from improv.errors import CorpusError

JOURNAL = ".jsonl"
LARGEST = 32 * 2**20
NOT_A_JOURNAL = "broken: no journal of ours"

_MUSIC = {".mid", ".midi", JOURNAL}
_ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz", ".tar.bz2", ".tbz2")
_DAMAGE = (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError, zlib.error, lzma.LZMAError)
_ENCRYPTED = 0x1


@dataclass(frozen=True, slots=True)
class File:
    """A file of a corpus: its contents, or the `reason` (`kind: details`) why there are none."""

    name: str
    data: bytes = b""
    reason: str = ""


class Source(Protocol):
    """A corpus as files."""

    name: str

    def fingerprint(self) -> list[object]:
        """Return what changes whenever a file does, ready for JSON."""

    def files(self) -> Iterator[File]:
        """Yield the music, the journals, and what says where they belong and what may be done with them.

        Raises CorpusError where an archive is damaged.
        """


def source(path: Path) -> Source:
    """Return what lies at `path`. Raises CorpusError where it can be no corpus."""
    try:
        if path.is_dir():
            return _Folder(path)
        if not path.is_file():
            raise CorpusError(f"{path}: no such file or folder")
        # In this order: a tar archive may well end with a zip archive.
        if tarfile.is_tarfile(path):
            return _Tar(path)
        if zipfile.is_zipfile(path):
            return _Zip(path)
    except _DAMAGE as error:
        raise CorpusError(f"{path}: {getattr(error, 'strerror', None) or error}") from error
    if path.name.lower().endswith(_ARCHIVES):
        raise CorpusError(f"{path}: the archive is damaged, or was not loaded whole")
    raise CorpusError(f"{path}: a corpus is a folder, or an archive of MIDI files ({', '.join(_ARCHIVES)})")


def is_music(name: str) -> bool:
    """Say whether this is a name of notes: MIDI, or a journal."""
    return PurePosixPath(name).suffix.lower() in _MUSIC


def is_split(name: str) -> bool:
    """Say whether this is a name of a file that says where others belong: our index, or MAESTRO's."""
    path = PurePosixPath(name)
    return path.name == "index.csv" or path.match("maestro-v*.csv") or path.match("maestro-v*.json")


def is_licence(name: str) -> bool:
    """Say whether this is a name of a licence."""
    return PurePosixPath(name.upper()).match("LICEN[CS]E*")


class _Folder:
    def __init__(self, path: Path) -> None:
        self._path = path
        self.name = path.resolve().name

    def fingerprint(self) -> list[object]:
        return [(name, facts.st_size, facts.st_mtime_ns) for name, _, facts in self._found()]

    def files(self) -> Iterator[File]:
        for name, path, facts in self._found():
            if facts.st_size > LARGEST:
                yield _too_large(name, facts.st_size)
                continue
            try:
                yield File(name, path.read_bytes())
            except OSError as error:
                yield File(name, reason=f"broken: {error.strerror}")

    def _found(self) -> Iterator[tuple[str, Path, os.stat_result]]:
        for folder, folders, names in os.walk(self._path):
            folders.sort()
            for file in sorted(names):
                path = Path(folder, file)
                name = path.relative_to(self._path).as_posix()
                if not _counts(name):
                    continue
                try:
                    facts = path.stat()
                except OSError:
                    continue  # a link to nowhere, or gone since
                if stat.S_ISREG(facts.st_mode):
                    yield name, path, facts


class _Archive:
    def __init__(self, path: Path) -> None:
        self._path = path
        name = path.resolve().name
        suffix = max((suffix for suffix in _ARCHIVES if name.lower().endswith(suffix)), key=len, default="")
        self.name = name[: len(name) - len(suffix)]

    def fingerprint(self) -> list[object]:
        facts = self._path.stat()
        return [(facts.st_size, facts.st_mtime_ns)]

    def files(self) -> Iterator[File]:
        seen = set()
        try:
            for file in self._files():
                # Of two files with one name the first counts.
                if file.name not in seen:
                    seen.add(file.name)
                    yield file
        except _DAMAGE as error:
            raise CorpusError(f"{self._path}: the archive is damaged: {error}") from error

    def _files(self) -> Iterator[File]:
        raise NotImplementedError


class _Zip(_Archive):
    def _files(self) -> Iterator[File]:
        with zipfile.ZipFile(self._path) as archive:
            for member in archive.infolist():
                if member.is_dir() or not _counts(member.filename):
                    continue
                name = _inner(member.filename)
                if name is None:
                    yield _outside(member.filename)
                elif member.flag_bits & _ENCRYPTED:
                    yield File(name, reason="broken: encrypted")
                else:
                    try:
                        with archive.open(member) as file:
                            yield _read(name, file)
                    except (*_DAMAGE, NotImplementedError, ValueError) as error:
                        yield File(name, reason=f"broken: {error}")


class _Tar(_Archive):
    def _files(self) -> Iterator[File]:
        # As a stream: going back in a compressed archive means reading it from its beginning.
        with tarfile.open(self._path, "r|*") as archive:
            for member in archive:
                if not member.isreg() or not _counts(member.name):
                    continue
                name = _inner(member.name)
                if name is None:
                    yield _outside(member.name)
                elif member.size > LARGEST:
                    yield _too_large(name, member.size)
                elif (file := archive.extractfile(member)) is not None:
                    yield _read(name, file)


def _counts(name: str) -> bool:
    """Say whether a file is of use to us; what a system hides is not."""
    parts = name.replace("\\", "/").split("/")
    if any((part.startswith(".") and part not in {".", ".."}) or part == "__MACOSX" for part in parts):
        return False
    return is_music(name) or is_split(name) or is_licence(name)


def _inner(name: str) -> str | None:
    """Return the plain name of an archive's member; None if it leads out of the archive."""
    path = PurePosixPath(name.replace("\\", "/"))
    return None if path.is_absolute() or ".." in path.parts else path.as_posix()


def _read(name: str, file: IO[bytes]) -> File:
    # Not more than that, whatever size the archive names.
    data = file.read(LARGEST + 1)
    return _too_large(name, len(data)) if len(data) > LARGEST else File(name, data)


def _outside(name: str) -> File:
    return File(name, reason="broken: its name leads out of the archive")


def _too_large(name: str, size: int) -> File:
    return File(name, reason=f"absurd: {size / 2**20:,.0f} MB")
