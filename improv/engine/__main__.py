"""The engine's process: `python -m improv.engine`, started by the brain.

It reads a `Start`, then `Question`s, from standard input, and writes `Warm`, `Answered` and `Bye`, a line each, to
standard output. A question makes the one before it stale: that is given up between two notes. The end of standard input
is the brain's death, and ours.
"""

import os
import signal
import sys
import threading
from collections.abc import Iterable
from contextlib import suppress
from io import FileIO

from improv.engine.measure import phrase_ms
from improv.engine.wire import Answered, Bye, Question, Start, Warm, Word, encode, from_line
from improv.errors import EngineError, ImprovError
from improv.play.planner import compose
from improv.predict.engines import engine_of
from improv.predict.weights import load

# It is never urgent: numpy's answer lies ready.
_NICE = 5
_PR_SET_PDEATHSIG = 1


class Inbox:
    """The latest question. A thread of its own reads, so that none is waited for, and the end is noticed at once."""

    def __init__(self, lines: Iterable[bytes]) -> None:
        self._lines = lines
        self._latest: Question | None = None
        self._changed = threading.Condition()

    def open(self) -> None:
        """Start to read."""
        threading.Thread(target=self._read, name="inbox", daemon=True).start()

    def take(self) -> Question:
        """Wait for a question, and take it out."""
        with self._changed:
            while self._latest is None:
                self._changed.wait()
            question, self._latest = self._latest, None
            return question

    @property
    def has_more(self) -> bool:
        """Whether there is a later question."""
        return self._latest is not None

    def _read(self) -> None:
        for line in self._lines:
            with self._changed:
                self._latest = from_line(line, Question)
                self._changed.notify()
        # Whatever the main thread is in the middle of, there is nobody left to hear of it.
        os._exit(0)


class Mouth:
    """Standard output, kept for ourselves: what libraries print goes where errors go."""

    def __init__(self) -> None:
        self._file = FileIO(os.dup(1), "w")
        os.dup2(2, 1)

    def say(self, word: Word) -> None:
        """Write a line. Raises OSError if nobody reads."""
        line = encode(word)
        while line:
            line = line[self._file.write(line) or 0 :]


def answer_questions(start: Start, inbox: Inbox, mouth: Mouth) -> None:
    """Get warm, then answer. Never returns; raises whatever goes wrong."""
    weights = load(start.model)
    if weights.hash != start.hash:
        raise EngineError(f"finds another file at {start.model} than was there")
    numpy = engine_of(weights, start.style)
    # Not before the inbox is open: this takes seconds.
    from improv.engine.backend import prepare
    from improv.engine.engines import keras_engine_of

    device = prepare(needs_gpu=start.needs_gpu)
    try:
        engine = keras_engine_of(weights, start.style)
        taken = phrase_ms({"keras": engine, "numpy": numpy})
    except ImprovError:
        raise
    except Exception:  # noqa: BLE001 - whatever XLA lacks on this machine, TensorFlow's own executor does without it
        engine = keras_engine_of(weights, start.style, fused=False)
        taken = phrase_ms({"keras": engine, "numpy": numpy})
    mouth.say(Warm(device, taken["keras"], taken["numpy"]))
    while True:
        question = inbox.take()
        for answer in compose(engine, list(question.heard), question.brief):
            if inbox.has_more:
                break
            if answer is not None:
                mouth.say(Answered(question.number, answer.notes))


def main() -> int:
    """Serve until the brain has gone; return the exit code."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal tells every process; the supervisor decides
    _die_with_the_brain()
    line = sys.stdin.buffer.readline()
    if not line.strip():
        return 0
    mouth = Mouth()
    if hasattr(os, "nice"):
        os.nice(_NICE)
    try:
        inbox = Inbox(sys.stdin.buffer)
        inbox.open()
        answer_questions(from_line(line, Start), inbox, mouth)
    except ImprovError as error:
        bye = Bye(str(error), for_good=True)
    except ImportError as error:
        bye = Bye(f"needs {error.name}, which is not installed: install improv[gpu], or improv[train]", for_good=True)
    except Exception as error:  # noqa: BLE001 - the boundary: a reason for a person, in a line
        bye = Bye(" ".join(f"has failed ({type(error).__name__}: {error})".split())[:300])
    with suppress(OSError):
        mouth.say(bye)
    return 1


def _die_with_the_brain() -> None:
    """Have the system kill us when the brain has died, even if we hang; the end of standard input is for the rest."""
    if sys.platform == "linux":
        import ctypes

        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())
