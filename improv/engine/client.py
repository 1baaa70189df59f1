"""The brain's side of the engine's process: it is asked for phrases, and never waited for."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from improv.engine.wire import LINE, Answered, Bye, Question, Start, Warm, Word, decode, to_line
from improv.events import Note
from improv.play.planner import Brief
from improv.play.turns import Answer

NAME = "keras"
# The jam needs the other cores, and a small network is no faster on two.
_ONE_THREAD = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
_COMMAND = (sys.executable, "-P", "-m", "improv.engine")


@dataclass(frozen=True, slots=True)
class Patience:
    """How long (seconds) it may take to get warm and to answer, and the pauses before it is started again."""

    warm_s: float = 180.0
    answer_s: float = 10.0
    pauses_s: tuple[float, ...] = (1.0, 5.0, 25.0)


PATIENT = Patience()


class EngineProcess:
    """The engine's process: `open` it, `ask` it, `close` it. Event loop only; `on_answer` is called there too.

    Only the answer to the last question is passed on. A process that dies, hangs or says nonsense is replaced, a few
    times. `say` is told what a player may want to know, `trouble` what went wrong. With `only_if_faster` it plays only
    if it proves faster than numpy, and is ended otherwise. Nothing here blocks or raises: threads of its own start the
    process, read and write.
    """

    def __init__(
        self,
        start: Start,
        say: Callable[[str], None],
        trouble: Callable[[str], None],
        *,
        only_if_faster: bool = False,
        patience: Patience = PATIENT,
        command: Sequence[str] = _COMMAND,
    ) -> None:
        self._start = start
        self._say = say
        self._trouble = trouble
        self._only_if_faster = only_if_faster
        self._patience = patience
        self._command = command
        self._on_answer: Callable[[Answer], None] = lambda _answer: None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe = _Pipe()
        self._closed = threading.Event()
        self._watch: asyncio.TimerHandle | None = None
        self._number = 0
        self._question: Question | None = None
        self._is_degraded = False
        self._hangs = False
        self.is_warm = False

    @property
    def pid(self) -> int | None:
        """The number of the process, if there is one."""
        return self._process.pid if self._process is not None else None

    def open(self, loop: asyncio.AbstractEventLoop, on_answer: Callable[[Answer], None]) -> None:
        """Start the process, in its own time; answers arrive on `loop`."""
        self._loop, self._on_answer = loop, on_answer
        threading.Thread(target=self._run, name="engine", daemon=True).start()

    def ask(self, heard: Sequence[Note], brief: Brief) -> None:
        """Ask for a phrase, if it is warm; what was asked before is stale."""
        if not self.is_warm:
            return
        self._number += 1
        self._question = Question(self._number, tuple(heard), brief)
        self._pipe.put(to_line(self._question))
        self._expect_a_word(self._patience.answer_s)

    def close(self) -> None:
        """End the process. Idempotent."""
        self._closed.set()
        self.is_warm = False
        self._expect_a_word(None)
        self._pipe.close()
        self._kill()

    def _expect_a_word(self, seconds: float | None) -> None:
        """Count the process as hanging if it says nothing for so long; None: it need not say anything."""
        if self._watch is not None:
            self._watch.cancel()
        self._watch = None if seconds is None or self._loop is None else self._loop.call_later(seconds, self._hang)

    def _hang(self) -> None:
        self._hangs = True
        self._kill()

    def _kill(self) -> None:
        if self._process is not None:
            with suppress(OSError):
                self._process.kill()

    def _began(self) -> None:
        self._hangs = False
        if not self._closed.is_set():
            self._expect_a_word(self._patience.warm_s)

    def _heard(self, word: Word) -> None:
        if self._closed.is_set():
            return
        match word:
            case Warm():
                self._expect_a_word(None)
                self._get_to_work(word)
            case Answered(number) if self._question is not None and number == self._question.number:
                self._expect_a_word(None)
                question, self._question = self._question, None
                self._on_answer(word.answer(question))

    def _get_to_work(self, warm: Warm) -> None:
        ours = f"{NAME} on {warm.device}, {warm.keras_ms:.0f} ms a phrase"
        numpy = f"numpy, {warm.numpy_ms:.0f} ms a phrase"
        if self._only_if_faster and warm.numpy_ms <= warm.keras_ms:
            self.close()
            self._say(f"engine {numpy} ({ours})")
        else:
            self.is_warm = True
            self._say(f"engine {ours} ({numpy})")

    def _lost(self, why: str, *, is_last: bool) -> None:
        """Do without the process, which has ended; another comes, unless it was the last."""
        was_warm, self.is_warm, self._question = self.is_warm, False, None
        self._expect_a_word(None)
        if self._closed.is_set():
            return
        why = "hangs" if self._hangs else why
        if self._only_if_faster and not was_warm and not self._is_degraded:
            self.close()  # it was only to be tried
            self._say(f"engine numpy ({NAME} {why})")
        elif not self._is_degraded:
            self._is_degraded = True
            then = "plays on alone" if is_last else "answers until another one is warm"
            self._trouble(f"degraded: the engine {NAME} {why}; numpy {then}")
        elif is_last:
            self._trouble(f"the engine {NAME} has failed again: it {why}; numpy plays on alone")

    def _run(self) -> None:
        """Start the process, and start it again. A thread of its own."""
        for again, pause in enumerate((0.0, *self._patience.pauses_s)):
            if self._closed.wait(pause):
                return
            end = self._live()
            is_last = end.for_good or again == len(self._patience.pauses_s)
            self._hand_over(partial(self._lost, end.reason, is_last=is_last))
            if is_last:
                return

    def _live(self) -> Bye:
        """Start the process, and pass on what it says until it has ended; return how it ended."""
        try:
            process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=_ONE_THREAD | os.environ,
                # A terminal's Ctrl-C is not for it to act on.
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            )
        except OSError as error:
            return Bye(f"cannot be started ({error.strerror or error})")
        self._process = process
        if self._closed.is_set():
            process.kill()
        self._hand_over(self._began)
        self._pipe.connect(process, to_line(self._start))
        end = self._listen(process)
        process.kill()
        returncode = process.wait()
        self._pipe.disconnect()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        return end or Bye(f"has died ({_how(returncode)})")

    def _listen(self, process: "subprocess.Popen[bytes]") -> Bye | None:
        """Pass on what the process says until it says no more; return why, if it said."""
        while process.stdout is not None and (line := process.stdout.readline(LINE)):
            if not line.endswith(b"\n") and len(line) < LINE:
                break  # it died in the middle of a word
            try:
                word = decode(line)
            except ValueError:
                return Bye("says nonsense")
            if isinstance(word, Bye):
                return word
            self._hand_over(partial(self._heard, word))
        return None

    def _hand_over(self, call: Callable[[], None]) -> None:
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop has ended before us
                self._loop.call_soon_threadsafe(call)


class _Pipe:
    """The way down to the process: the latest line goes, from a thread of its own, for a pipe may be full."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._process: subprocess.Popen[bytes] | None = None
        self._line: bytes | None = None
        self._is_closed = False

    def connect(self, process: "subprocess.Popen[bytes]", line: bytes) -> None:
        """Go on with this process, and with this line."""
        with self._changed:
            if self._process is None and self._line is None:
                threading.Thread(target=self._write, name="engine pipe", daemon=True).start()
            self._process, self._line = process, line
            self._changed.notify()

    def disconnect(self) -> None:
        """Forget the process."""
        with self._changed:
            self._line = None

    def put(self, line: bytes) -> None:
        """Have `line` written, unless a later one comes before that."""
        with self._changed:
            self._line = line
            self._changed.notify()

    def close(self) -> None:
        """End the thread."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()

    def _write(self) -> None:
        while True:
            with self._changed:
                while self._line is None and not self._is_closed:
                    self._changed.wait()
                if self._is_closed:
                    return
                line, self._line, process = self._line, None, self._process
            if line is not None and process is not None and process.stdin is not None:
                with suppress(OSError, ValueError):  # it has ended
                    process.stdin.write(line)
                    process.stdin.flush()


def _how(returncode: int) -> str:
    if returncode < 0 and os.name == "posix":
        with suppress(ValueError):
            return signal.Signals(-returncode).name
    return f"exit code {returncode}"
