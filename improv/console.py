"""What the player reads in the terminal: calm, plain lines on standard error, one for each fact.

A thread of its own writes them: a terminal that was stopped (Ctrl-S), or a pipe that nobody reads, holds up nobody.
"""

import atexit
import os
import sys
import tempfile
import threading
import traceback
from functools import cache
from pathlib import Path
from queue import Full, Queue

from improv.ports.link import PortState

_WAITING = 1000
_FLUSH_S = 0.2
_kept: dict[type[BaseException], Path] = {}


class Console:
    """`quiet` leaves only what went wrong. Any thread; never raises, not even when the terminal has been closed."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._state: PortState | None = None

    def ready(self, model: str, seed: int) -> None:
        """Say that the musician is there."""
        self._say(f"ready: model {model}, seed {seed}. Play; Ctrl-C ends.")

    def ports(self, state: PortState) -> None:
        """Say what has changed since the last state of the ports."""
        before, self._state = self._state, state
        known = {} if before is None else dict((*before.inputs, before.output))
        for way, (name, there) in [*(("in", port) for port in state.inputs), ("out", state.output)]:
            if not name:
                continue  # no MIDI system: players and listeners in software only
            if name not in known:
                self._say(f"{way:<6} {name} ({state.backend}){'' if there else ', not there yet: waiting'}")
            elif there != known[name]:
                self._say(f"{way:<6} {name} {'is back' if there else 'has gone; waiting for it'}")
        if before is not None and state.connected != before.connected:
            self._say(f"ports  connected: {', '.join(state.connected) or 'nothing'}")
        if state.message and (before is None or state.message != before.message):
            self.trouble(state.message)

    def heard(self, notes: int, length: float) -> None:
        """Tell the player's phrase, `length` in seconds."""
        self._say(f"you    {_notes(notes)}, {length:.1f} s")

    def answered(self, notes: int, length: float, *, cut: bool) -> None:
        """Tell our answer, `length` in seconds; `cut` if the player played into it."""
        self._say(f"improv {_notes(notes)}, {length:.1f} s{', then yielded' if cut else ''}")

    def say(self, text: str) -> None:
        """Tell anything else, unless quiet."""
        self._say(text)

    def trouble(self, text: str) -> None:
        """Tell what went wrong; the jam goes on."""
        tell(f"improv: {text}")

    def _say(self, text: str) -> None:
        if not self._quiet:
            tell(text)


def _notes(count: int) -> str:
    return f"{count:>2} note{'' if count == 1 else 's'}"


def tell(text: str) -> None:
    """Have `text` written as it is, in its turn. Any thread; never blocks, never raises; dropped if too many wait."""
    try:
        _queue().put_nowait(text)
    except Full:
        return


def flush() -> None:
    """Wait until everything told has been written, 0.2 s at the most."""
    queue = _queue()
    with queue.all_tasks_done:
        queue.all_tasks_done.wait_for(lambda: not queue.unfinished_tasks, _FLUSH_S)


def keep_traceback(error: BaseException) -> Path:
    """Write the traceback of `error` to a file, for us and not for the stage; return its path.

    One file for each kind of exception and process: what goes wrong again and again must not fill the disk.
    """
    kind = type(error)
    if kind not in _kept:
        try:
            with tempfile.NamedTemporaryFile("w", prefix="improv-", suffix=".log", delete=False) as file:
                traceback.print_exception(error, file=file)
        except OSError:
            return Path(os.devnull)
        _kept[kind] = Path(file.name)
    return _kept[kind]


@cache
def _queue() -> "Queue[str]":
    """Start the writer; return what it reads."""
    queue: Queue[str] = Queue(_WAITING)
    threading.Thread(target=_write_all, args=(queue,), name="console", daemon=True).start()
    atexit.register(flush)
    return queue


def _write_all(queue: "Queue[str]") -> None:
    while True:
        line = queue.get()
        try:
            _write(line + "\n")
        except (AttributeError, OSError, ValueError):
            pass  # the terminal has been closed
        finally:
            queue.task_done()


def _write(text: str) -> None:
    if os.name == "posix" and (descriptor := _descriptor()) is not None:
        # Past the stream: its lock, held in a write that never ends, would be fatal when the interpreter leaves.
        # One write, so that lines of several processes do not mix.
        data = text.encode("utf-8", "backslashreplace")
        while data:
            data = data[os.write(descriptor, data) :]
        return
    sys.stderr.write(text)
    sys.stderr.flush()


def _descriptor() -> int | None:
    try:
        return sys.stderr.fileno()
    except (AttributeError, OSError, ValueError):
        return None
