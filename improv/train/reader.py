"""A process that turns files into notes, one after the other: `python -m improv.train.reader`.

It is told a file on its standard input and answers on its standard output, until the input ends. Should a file bring it
down, nobody else falls.
"""

import os
import signal
import struct
import sys
from contextlib import suppress
from typing import BinaryIO

ASK = struct.Struct("<IQ")
"""Before a file: the bytes of its name, and its own."""

ANSWER = struct.Struct("<?Q")
"""Before an answer: whether it is notes (packed) or a reason (text), and its bytes."""

READY = b"!"

# No file of the largest size needs a tenth of it.
_MEMORY = 4 * 2**30


def serve(asked: BinaryIO, answers: BinaryIO) -> None:
    """Answer until `asked` ends."""
    from improv.errors import CorpusError  # noqa: PLC0415 - loaded before the first file comes, told by READY
    from improv.train.midi import pack  # noqa: PLC0415

    answers.write(READY)
    answers.flush()
    while head := asked.read(ASK.size):
        name_size, size = ASK.unpack(head)
        name = asked.read(name_size).decode("utf-8", "surrogateescape")
        data = asked.read(size)
        try:
            is_read, answer = True, pack(name, data).tobytes()
        except CorpusError as error:
            is_read, answer = False, str(error).encode("utf-8", "replace")
        except Exception as error:  # noqa: BLE001 - whatever it is, it is this file's
            is_read, answer = False, f"broken: {type(error).__name__}: {error}".encode("utf-8", "replace")
        answers.write(ANSWER.pack(is_read, len(answer)))
        answers.write(answer)
        answers.flush()


def _limit_memory() -> None:
    with suppress(ImportError, ValueError, OSError):
        import resource  # noqa: PLC0415 - there is none on Windows

        _, most = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, most))


if __name__ == "__main__":
    # Ctrl-C is for whoever reads the corpus.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _limit_memory()
    # Nothing but answers goes out there, whatever a library prints.
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    with suppress(BrokenPipeError):
        serve(sys.stdin.buffer, out)
