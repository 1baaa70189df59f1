"""Many files to notes at once: a reading process for each core, each handed one file after the other.

Processes, not threads: symusic holds the interpreter while it reads (two threads took three times as long as one), and
a file that brings a process down, or keeps it for minutes, is then one broken file.
"""

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import chain, islice
from threading import Lock, Timer
from typing import IO, Self, cast

import numpy as np

from improv.errors import CorpusError
from improv.train.packed import NOTE, Packed
from improv.train.reader import ANSWER, ASK, READY
from improv.train.sources import File

# The largest file is read in seconds.
PATIENCE_S = 60.0
# A process takes a third of a second to start: it pays when so many files were not yet read by then.
_FILES_A_PROCESS = 200
_FATAL = "broken: it brings down what reads it, or keeps it for too long"


@dataclass(frozen=True, slots=True)
class Reading:
    """What became of a file: its notes, or the reason (`kind: details`) for having none; and the hash of its bytes."""

    name: str
    hash: str = ""
    notes: Packed | None = None
    reason: str = ""


def read_all(files: Iterator[File]) -> list[Reading]:
    """Return what became of each file, in no order.

    Raises ImportError without symusic, CorpusError where no reading process starts, and whatever `files` raises.
    """
    first = list(islice(files, _FILES_A_PROCESS))
    with started(cores() if len(first) == _FILES_A_PROCESS else 1) as processes:
        return read_with(processes, chain(first, files))


@contextmanager
def started(count: int) -> "Iterator[list[Process]]":
    """Start so many reading processes, and end them. Raises ImportError without symusic."""
    if find_spec("symusic") is None:
        raise ModuleNotFoundError("No module named 'symusic'", name="symusic")
    with ExitStack() as stack:
        yield [stack.enter_context(Process()) for _ in range(count)]


def read_with(processes: "Sequence[Process]", files: Iterator[File]) -> list[Reading]:
    """Return what became of each file, in no order. Raises like `read_all`."""
    jobs = _Jobs(files)
    with ThreadPoolExecutor(len(processes)) as threads:
        try:
            parts = [threads.submit(_work, process, jobs) for process in processes]
            return [reading for part in parts for reading in part.result()]
        finally:
            # After an error or Ctrl-C, nobody begins another file.
            jobs.stop()


class _Jobs:
    """Files, handed out one at a time to whoever asks."""

    def __init__(self, files: Iterator[File]) -> None:
        self._files = files
        self._lock = Lock()
        self._is_over = False

    def stop(self) -> None:
        self._is_over = True

    def take(self) -> File | None:
        with self._lock:
            return None if self._is_over else next(self._files, None)


def _work(process: "Process", jobs: _Jobs) -> list[Reading]:
    """Have a process read files until there are no more."""
    readings = []
    try:
        while (file := jobs.take()) is not None:
            readings.append(_reading(process, file))
    except BaseException:
        jobs.stop()
        raise
    return readings


def _reading(process: "Process", file: File) -> Reading:
    if file.reason:
        return Reading(file.name, reason=file.reason)
    notes, reason = process.read(file)
    return Reading(file.name, hashlib.sha256(file.data).hexdigest(), notes, reason)


class Process:
    """A reading process; another takes its place when a file has brought it down."""

    def __init__(self) -> None:
        self._start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def read(self, file: File) -> tuple[Packed | None, str]:
        """Return the notes in `file`, or None and the reason. Raises CorpusError where the process does not start."""
        watch = Timer(PATIENCE_S, self._process.kill)
        watch.start()
        try:
            self._wait_until_ready()
            is_read, answer = self._ask(file)
        except (OSError, EOFError):
            self._end()
            self._start()
            return None, _FATAL
        finally:
            watch.cancel()
        return (np.frombuffer(answer, NOTE), "") if is_read else (None, answer.decode("utf-8", "replace"))

    def _ask(self, file: File) -> tuple[bool, bytes]:
        name = file.name.encode("utf-8", "surrogateescape")
        self._asks.write(ASK.pack(len(name), len(file.data)) + name)
        self._asks.write(file.data)
        self._asks.flush()
        is_read, size = ANSWER.unpack(self._receive(ANSWER.size))
        return is_read, self._receive(size)

    def _receive(self, size: int) -> bytes:
        data = self._answers.read(size)
        if len(data) < size:
            raise EOFError
        return data

    def _start(self) -> None:
        self._process = subprocess.Popen(
            # -P: what lies in the current folder is not for Python to import.
            (sys.executable, "-P", "-m", "improv.train.reader"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={"OPENBLAS_NUM_THREADS": "1", **os.environ},
        )
        self._asks, self._answers = cast("IO[bytes]", self._process.stdin), cast("IO[bytes]", self._process.stdout)
        self._is_ready = False

    def _wait_until_ready(self) -> None:
        if not self._is_ready:
            try:
                self._receive(len(READY))
            except EOFError as error:
                raise CorpusError("the process that reads MIDI files does not start here") from error
            self._is_ready = True

    def _end(self) -> None:
        self._process.kill()
        for pipe in (self._asks, self._answers):
            # What could not be sent cannot be flushed.
            with suppress(OSError):
                pipe.close()
        self._process.wait()


def cores() -> int:
    """Return how many cores this process may use."""
    with suppress(AttributeError):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
