"""Spawn the two processes of a jam, watch them, restart them, end them.

Standard library alone, one thread that decides; told what to spawn. A child reads one line, its spec, from standard
input, and acts only then, so that it can be started early. After that it reads lines of JSON (`{"do": "stop"}`), and
takes the end of its input as the death of its parent. It writes lines of JSON: `{"event": "ready"}`,
`{"event": "beat"}`, and as its last word `{"event": "bye", "code": 0, "reason": "…"}`.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from time import perf_counter
from types import FrameType

TICK_S = 0.25
# Numerical libraries on one thread: a second one costs a small network more than it brings.
ONE_THREAD = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
# The exit code of a child whose successor may fare better: its MIDI server has gone (EX_TEMPFAIL of sysexits.h).
TRY_AGAIN = 75

# A child that has said nothing yet is still importing.
_FIRST_WORD_TICKS = 80
# A life shorter than this counts as a failure, and so many in a row as a reason to give up.
_SHORT_LIFE_S = 10.0
_FAILURES = 10
_BACK_OFF_S = (0.0, 0.05, 0.1, 0.2, 0.4, 0.8)
# The brain writes its session down; the ports process paces its panic.
_BRAIN_STOP_S = 10.0
_PORTS_STOP_S = 3.0
_FORCED_STOP_S = 1.0

_STOP = b'{"do": "stop"}\n'
_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")  # the last two: a closed terminal
INTERRUPTED = 130

Spec = Callable[[bool], bytes]
"""Return the line that a child is told; the argument: whether it takes over from one that was ready."""


@dataclass(frozen=True, slots=True)
class Program:
    """What to spawn, and after how many silent ticks it counts as hanging."""

    name: str
    command: tuple[str, ...]
    patience_ticks: int


@dataclass(frozen=True, slots=True)
class _Word:
    """What the process `process` of `child` said; None: it has ended."""

    child: "_Child"
    process: "subprocess.Popen[bytes]"
    said: dict[str, object] | None


@dataclass(frozen=True, slots=True)
class _Wish:
    """Somebody wants it to end: `code` is the exit code, `again` whether a second such wish forces it."""

    code: int
    again: bool = False


class _Child:
    """One program, and the process that runs it now."""

    def __init__(self, program: Program, inbox: "SimpleQueue[_Word | _Wish]") -> None:
        self.program = program
        self.process: subprocess.Popen[bytes] | None = None
        self.told = False  # has its spec
        self.ready = False
        self.served = False  # it, or one that it replaces, was ready
        self.bye: dict[str, object] | None = None
        self.restart_at: float | None = None
        self._inbox = inbox
        self._reader: threading.Thread | None = None
        self._silent_ticks = 0
        self._spoke = False
        self._born = 0.0
        self._failures = 0

    @property
    def alive(self) -> bool:
        return self.process is not None

    @property
    def left(self) -> bool:
        """Whether it ended, or is about to, because it wanted to or cannot do its work at all."""
        return self.bye is not None and self.bye.get("code") != TRY_AGAIN

    def spawn(self) -> None:
        """Start the process; its words go to the inbox, from a thread of their own."""
        self.ready = self.told = self._spoke = False
        self.bye = self.restart_at = None
        self._silent_ticks = 0
        self._born = perf_counter()
        with _interrupts_held_back():
            self.process = subprocess.Popen(
                self.program.command,
                env=ONE_THREAD | os.environ,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                # A terminal's Ctrl-C is ours to act on, not theirs.
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            )
        self._reader = threading.Thread(target=self._read, args=(self.process,), name=self.program.name, daemon=True)
        self._reader.start()

    def tell(self, line: bytes) -> None:
        """Write a line to the process, if it still reads."""
        self.told = True
        if self.process is not None and self.process.stdin is not None:
            with suppress(OSError, ValueError):
                self.process.stdin.write(line)
                self.process.stdin.flush()

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()

    def discard(self) -> None:
        """End the process, if there is one, without a word."""
        if self.process is not None and self._reader is not None:
            self.process.kill()
            self._reader.join()
            self.ended()

    def heard(self, said: dict[str, object]) -> None:
        """Take note of a word of the process."""
        self._silent_ticks = 0
        self._spoke = True
        if said.get("event") == "ready":
            self.ready = self.served = True
        elif said.get("event") == "bye":
            self.bye = said

    def hangs(self) -> bool:
        """Count one tick; return whether there have been too many without a word."""
        if not self.alive or not self.told:
            return False
        self._silent_ticks += 1
        return self._silent_ticks > (self.program.patience_ticks if self._spoke else _FIRST_WORD_TICKS)

    def ended(self) -> int:
        """Forget the process, which has ended; return how many died young in a row."""
        if self.process is not None:
            for pipe in (self.process.stdin, self.process.stdout):
                if pipe is not None:
                    with suppress(OSError):
                        pipe.close()
        self.process = None
        self._failures = self._failures + 1 if perf_counter() - self._born < _SHORT_LIFE_S else 1
        return self._failures

    def restart_soon(self) -> None:
        self.restart_at = perf_counter() + _BACK_OFF_S[min(self._failures, len(_BACK_OFF_S)) - 1]

    def _read(self, process: "subprocess.Popen[bytes]") -> None:
        for line in process.stdout or ():
            with suppress(ValueError):  # whatever a library prints is not for us
                self._inbox.put(_Word(self, process, dict(json.loads(line))))
        process.wait()
        self._inbox.put(_Word(self, process, None))


class Supervisor:
    """The life of one jam: `start_children`, then `run` or `discard`."""

    def __init__(self, ports: Program, brain: Program, say: Callable[[str], None] = lambda _text: None) -> None:
        self._inbox: SimpleQueue[_Word | _Wish] = SimpleQueue()
        self._ports = _Child(ports, self._inbox)
        self._brain = _Child(brain, self._inbox)
        self._specs: dict[_Child, Spec] = {}
        self._say = say
        self._exit: int | None = None
        self._forced = False
        self._ports_stopping = False
        self._deadline: float | None = None  # when the child that is being stopped gets killed
        self._on_ready: Callable[[], None] | None = None

    def start_children(self) -> None:
        """Start both processes; they import what they need, and wait for their specs."""
        self._ports.spawn()
        self._brain.spawn()

    def discard(self) -> None:
        """End the processes that have not been told anything. Idempotent."""
        for child in (self._ports, self._brain):
            child.discard()

    def stop(self, code: int = 0) -> None:
        """Ask for the end, from any thread: the brain first, then the ports."""
        self._inbox.put(_Wish(code))

    def run(self, ports: Spec, brain: Spec, on_ready: Callable[[], None] | None = None) -> int:
        """Run the jam until it ends; return the exit code. Main thread only.

        `on_ready` is called once, when both are ready; it must not block.
        """
        self._specs = {self._ports: ports, self._brain: brain}
        self._on_ready = on_ready
        with self._signals():
            try:
                if not self._brain.alive:
                    self.start_children()
                for child, spec in self._specs.items():
                    child.tell(spec(child.served))
                self._watch()
            finally:
                self.discard()
        return self._exit or 0

    def _watch(self) -> None:
        next_tick = perf_counter() + TICK_S
        while self._exit is None or self._ports.alive or self._brain.alive:
            wake = min([next_tick, *(child.restart_at for child in self._specs if child.restart_at is not None)])
            try:
                self._handle(self._inbox.get(timeout=max(0.0, wake - perf_counter())))
            except Empty:
                # Ticks are counted, not seconds: time that we too have slept through is no silence.
                if perf_counter() >= next_tick:
                    next_tick = perf_counter() + TICK_S
                    self._tick()
            self._restart_due()

    def _handle(self, item: _Word | _Wish) -> None:
        match item:
            case _Wish(code, again):
                if self._exit is None:
                    self._begin_to_stop(code)
                elif again:
                    self._force()
            case _Word(child, process, said) if child.process is process:
                if said is None:
                    self._bury(child, process.returncode)
                else:
                    child.heard(said)
                    self._look_after(child, said)

    def _look_after(self, child: _Child, said: dict[str, object]) -> None:
        if said.get("event") == "ready":
            if self._on_ready is not None and self._ports.ready and self._brain.ready:
                on_ready, self._on_ready = self._on_ready, None
                on_ready()
        elif child.left and self._exit is None:
            code = said.get("code")
            if code:
                self._say(str(said.get("reason")))
            self._begin_to_stop(code if isinstance(code, int) else 1)

    def _bury(self, child: _Child, returncode: int) -> None:
        """Decide what follows the end of a child."""
        failures = child.ended()
        if child is self._brain and self._exit is not None:
            self._stop_ports()
        elif child is self._ports and self._ports_stopping:
            # Killed while it was silencing its notes: let a successor do that, if there is time.
            if child.told and not child.left and not self._forced and failures < _FAILURES:
                self._succeed(child)
                child.tell(_STOP)
        elif child.left:
            return  # the brain is being stopped
        elif failures >= _FAILURES:
            self._say(f"the {child.program.name} process died {failures} times in a row; giving up")
            if self._exit is None:
                self._begin_to_stop(1)
        else:
            if child.bye is None:
                self._say(f"the {child.program.name} process died ({_how(returncode)}); starting another")
            child.restart_soon()

    def _restart_due(self) -> None:
        now = perf_counter()
        for child in self._specs:
            if child.restart_at is not None and child.restart_at <= now:
                self._succeed(child)

    def _succeed(self, child: _Child) -> None:
        """Start the successor of a child that died."""
        child.spawn()
        child.tell(self._specs[child](child.served))

    def _tick(self) -> None:
        for child in self._specs:
            if self._exit is None and child.hangs():
                self._say(f"the {child.program.name} process hangs; replacing it")
                child.kill()
        if self._deadline is not None and perf_counter() >= self._deadline:
            self._deadline = None
            (self._ports if self._ports_stopping else self._brain).kill()
            self._forced |= self._ports_stopping

    def _begin_to_stop(self, code: int) -> None:
        self._exit = code
        self._brain.restart_at = None
        if self._brain.alive:
            self._brain.tell(_STOP)
            self._deadline = perf_counter() + _BRAIN_STOP_S
        else:
            self._stop_ports()

    def _stop_ports(self) -> None:
        self._ports_stopping = True
        self._ports.restart_at = None
        self._deadline = perf_counter() + (_FORCED_STOP_S if self._forced else _PORTS_STOP_S)
        if not self._ports.told:
            self._ports.kill()  # it has opened nothing
        elif not self._ports.left:
            if not self._ports.alive:
                self._succeed(self._ports)
            self._ports.tell(_STOP)

    def _force(self) -> None:
        self._forced = True
        if self._ports_stopping:
            self._deadline = min(self._deadline or perf_counter(), perf_counter() + _FORCED_STOP_S)
        else:
            self._brain.kill()

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Turn the signals that end a program into wishes."""

        def on_signal(number: int, _frame: FrameType | None) -> None:
            interrupted = number == signal.SIGINT
            self._inbox.put(_Wish(INTERRUPTED if interrupted else 0, again=interrupted))

        numbers = [getattr(signal, name) for name in _SIGNALS if hasattr(signal, name)]
        before = {number: signal.signal(number, on_signal) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Keep SIGINT from a child that is spawned here, even before it can ignore it; we see it afterwards."""
    if sys.platform == "win32":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _how(returncode: int) -> str:
    if returncode < 0 and os.name == "posix":
        with suppress(ValueError):
            return signal.Signals(-returncode).name
    return f"exit code {returncode}"
