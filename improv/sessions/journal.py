"""The journal of a jam: written off the event loop, crash-safe, never in the jam's way; and read again.

Light (no numpy, no mido): the command line and the brain load it before they are ready.
"""

import errno
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from math import inf
from pathlib import Path
from queue import Empty, Full, Queue
from typing import TYPE_CHECKING, TypeVar

import improv
from improv import clock
from improv.errors import SessionError
from improv.ports.link import Accepted, Heard, Refused
from improv.sessions.records import (
    Acted,
    Beat,
    Ended,
    Lost,
    Opening,
    Record,
    Released,
    Restarted,
    Steered,
    decode_record,
    encode_record,
)
from improv.settings import Settings

if TYPE_CHECKING:  # brings numpy
    from improv.predict.engine import ModelInfo

SYNC_S = 1.0
RETRY_S = 5.0
_CLOSE_S = 2.0
_WAITING = 20_000
_BATCH = 512
_MOST_A_SECOND = 1000

# How the lines begin that a new brain needs.
_NEEDED = tuple(
    b'{"type":"%s"' % kind for kind in (b"in", b"released", b"steered", b"beat", b"acted", b"accepted", b"refused")
)

_Kind = TypeVar("_Kind", bound=Record)


@dataclass(frozen=True, slots=True)
class Session:
    """A journal that was read. `damaged`: the numbers (from 1) of its lines that could not be."""

    path: Path
    records: tuple[Record, ...]
    damaged: tuple[int, ...] = ()

    @property
    def opening(self) -> Opening | None:
        """The first record; None if it is among the damaged."""
        return next(self.of(Opening), None)

    def require_opening(self) -> Opening:
        """Return the first record. Raises SessionError without one."""
        if self.opening is None:
            raise SessionError(f"{self.path}: the journal has lost its beginning, with seed and settings")
        return self.opening

    def of(self, kind: type[_Kind]) -> Iterator[_Kind]:
        """Yield the records of one kind, in order."""
        return (record for record in self.records if isinstance(record, kind))


def read(path: Path) -> Session:
    """Return the session in `path`, as far as it can be read; a crash may have cut the last line short.

    Raises SessionError when nothing in it is usable.
    """
    try:
        return parse(path, path.read_bytes())
    except OSError as error:
        raise SessionError(f"{path}: {error.strerror or error}") from error


def parse(path: Path, data: bytes) -> Session:
    """Return the session in `data`, the contents of `path`. Raises SessionError when nothing in it is usable."""
    lines = data.split(b"\n")
    records, damaged = [], []
    for number, line in enumerate(lines, start=1):
        try:
            if line:
                records.append(decode_record(line))
        except SessionError:
            # What follows the last line's end was being written when the brain died: that is no damage.
            if number < len(lines):
                damaged.append(number)
    if not records:
        raise SessionError(f"{path}: no journal of a session, or an empty one")
    return Session(path, tuple(records), tuple(damaged))


def reserve(folder: Path, when: datetime | None = None) -> Path:
    """Return the path of a new journal in `folder`, named after `when` (now), and make it there, empty.

    No other session gets the same. Where it cannot be made its name is returned all the same: the jam goes on, and
    the journal will say what is wrong.
    """
    stem = (when or datetime.now()).strftime("%Y-%m-%d_%H-%M-%S")  # noqa: DTZ005 - people look for their own time
    names = (f"{stem}.jsonl", *(f"{stem}_{number}.jsonl" for number in range(2, _MOST_A_SECOND)))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in names:
            try:
                (folder / name).touch(exist_ok=False)
            except FileExistsError:
                continue
            return folder / name
    except OSError:
        pass
    return folder / names[0]


class Journal:
    """Writes records, each as soon as a thread of its own gets to it; synced at most once a second.

    `path` None: nothing is kept, and every method does nothing. A file that has a session in it is gone on with. When
    the disk fails, `on_trouble` is told, once (on the writer's thread; of a disk too slow, on the caller's), records
    are counted in `lost`, and now and then the disk is tried again. Nothing here raises. One thread may call.
    """

    def __init__(self, path: Path | None, on_trouble: Callable[[str], None]) -> None:
        self.path = path
        self._on_trouble = on_trouble
        self._queue: Queue[Record | None] = Queue(_WAITING)
        self._writer = None if path is None else _Writer(path, self._queue, on_trouble)
        self._is_closed = path is None
        self._overflowed = 0

    @property
    def lost(self) -> int:
        """Records that are not in the journal, at the most."""
        return self._overflowed + (self._writer.lost if self._writer else 0)

    def write(self, record: Record) -> None:
        """Hand over `record`. Never waits."""
        if self._writer is None or self._is_closed:
            return
        if self._writer.ident is None:
            self._writer.start()
        try:
            self._queue.put_nowait(record)
        except Full:
            self._overflowed += 1
            self._writer.overflowed = self._overflowed
            if self._overflowed == 1:
                self._on_trouble(f"the disk is too slow for the journal, which has gaps now: {self.path}")

    def write_session(self, settings: Settings, model: "ModelInfo", seed: int) -> None:
        """Open a session that starts now."""
        started = datetime.now().astimezone().isoformat(timespec="milliseconds")
        self.write(Opening(improv.__version__, started, clock.now(), seed, model.name, model.hash, settings))

    def heard_so_far(self) -> tuple[list[Heard | Released | Steered | Beat | Acted], int]:
        """Return the human's events in the file, with what else happened to the musician, and the last turn.

        It is what a new brain needs; turn 0: none.

        Quick: nothing else is decoded. What cannot be read is left out.
        """
        heard: list[Heard | Released | Steered | Beat | Acted] = []
        last_turn = 0
        for line in _lines(self.path):
            if line.startswith(_NEEDED):
                try:
                    record = decode_record(line)
                except SessionError:
                    continue
                if isinstance(record, Heard | Released | Steered | Beat | Acted):
                    heard.append(record)
                elif isinstance(record, Accepted | Refused):
                    last_turn = max(last_turn, record.turn)
        return heard, last_turn

    def close(self, reason: str) -> None:
        """Write the end and wait for it, a few seconds at most: a disk that hangs must not keep the jam from ending."""
        if self._writer is not None and self._writer.is_alive() and not self._is_closed:
            self.write(Ended(clock.now(), reason))
            try:
                self._queue.put(None, timeout=_CLOSE_S)
                self._writer.join(_CLOSE_S)
            except Full:
                pass
        self._is_closed = True


class _Writer(threading.Thread):
    """Takes records from a queue to the disk, until it finds None there."""

    def __init__(self, path: Path, queue: "Queue[Record | None]", on_trouble: Callable[[str], None]) -> None:
        super().__init__(name="journal", daemon=True)
        self._path = path
        self._queue = queue
        self._on_trouble = on_trouble
        self.overflowed = 0  # written by the caller: records that did not fit into the queue
        self.lost = 0  # of those that did
        self._told_of = 0  # lost records that the journal speaks of
        self._told = False
        self._file: _File | None = None
        self._retry_at = -inf
        self._opening: Opening | None = None
        self._is_opened = False  # whether the file has an opening, of this session or the one gone on with
        self._written = 0  # records since the file was opened

    def run(self) -> None:
        """Write until the end."""
        synced, is_open, is_dirty = -inf, True, False
        while is_open:
            records = self._next(max(0.0, synced + SYNC_S - clock.now()) if is_dirty else None)
            is_open = None not in records
            if not is_open:
                self._retry_at = -inf  # a last try
            is_dirty |= self._append([record for record in records if record is not None])
            if is_dirty and (not is_open or clock.now() >= synced + SYNC_S):
                self._sync()
                synced, is_dirty = clock.now(), False
        if self._file:
            self._file.close()

    def _next(self, timeout: float | None) -> list[Record | None]:
        """Wait for records up to `timeout` seconds; return those that are there. None is the last."""
        records: list[Record | None] = []
        try:
            records.append(self._queue.get(timeout=timeout))
            while records[-1] is not None and len(records) < _BATCH:
                records.append(self._queue.get_nowait())
        except Empty:
            pass
        return records

    def _append(self, records: list[Record]) -> bool:
        """Write `records`; return whether they are in the file."""
        if not records:
            return False
        if isinstance(records[0], Opening):
            self._opening = records[0]
        if self._file is None and clock.now() < self._retry_at:
            self.lost += len(records)
            return False
        missing = self.lost + self.overflowed - self._told_of
        try:
            if self._file is None:
                self._file = _File(self._path)
            head = [*self._heading(records[0], self._file), *([Lost(missing)] if missing else [])]
            self._file.append("".join(f"{encode_record(record)}\n" for record in (*head, *records)).encode())
        except OSError as error:
            self.lost += len(records)
            self._fail(error)
            return False
        self._is_opened = True
        self._told_of += missing
        self._written += len(records)
        return True

    def _heading(self, first: Record, file: "_File") -> list[Record]:
        """Return what must be written before `first`: a session is opened, or gone on with, before anything is."""
        if self._is_opened or first is self._opening:
            return []
        if self._opening is not None:  # the disk would not take it, or the file was removed
            return [self._opening]
        return [] if file.was_empty else [Restarted(clock.now())]

    def _sync(self) -> None:
        try:
            if self._file:
                self._file.sync()
        except OSError as error:
            if isinstance(error, FileNotFoundError):
                self.lost += self._written
                self._is_opened = False
            self._fail(error)

    def _fail(self, error: OSError) -> None:
        if self._file:
            self._file.close()
            self._file = None
        self._written = 0
        self._retry_at = clock.now() + RETRY_S
        if not self._told:
            self._told = True
            self._on_trouble(f"the journal cannot be written: {error.strerror or error}: {self._path}")


class _File:
    """A journal on disk. Raises OSError when the disk will not have it."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o644)
        size = os.fstat(self._descriptor).st_size
        self.was_empty = size == 0
        try:
            if size and os.lseek(self._descriptor, -1, os.SEEK_END) and os.read(self._descriptor, 1) != b"\n":
                self.append(b"\n")  # a crash or a full disk has cut the last line short
        except OSError:
            self.close()
            raise

    def append(self, data: bytes) -> None:
        """Hand all of `data` to the system."""
        while data:
            data = data[os.write(self._descriptor, data) :]

    def sync(self) -> None:
        """Wait until what was written would survive a power cut. Raises FileNotFoundError if the file was removed."""
        try:
            os.fsync(self._descriptor)
        except OSError as error:
            if error.errno != errno.EINVAL:  # a pipe and some network disks know no sync
                raise
        # Windows lets nobody remove an open file.
        if os.name == "posix" and not os.path.samestat(os.fstat(self._descriptor), self._path.stat()):
            raise FileNotFoundError(errno.ENOENT, "another file is in its place")

    def close(self) -> None:
        """Let go of the file."""
        try:
            os.close(self._descriptor)
        except OSError:
            return  # a network disk tells its last trouble here


def _lines(path: Path | None) -> list[bytes]:
    try:
        return path.read_bytes().split(b"\n") if path else []
    except OSError:
        return []
