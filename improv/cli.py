"""The command line's first and last word.

The two processes of a jam are started before anything else is imported, so that they import while we do. Whatever goes
wrong, a person is told in plain words.
"""

import sys
import traceback
from typing import NoReturn

from improv.errors import ImprovError, UsageError
from improv.supervisor import INTERRUPTED, Program, Supervisor

_ABOUT = {"--help", "-h", "--version", "--install-completion", "--show-completion"}

# The ports process beats from its deadline loop; the brain may be deep in thought.
_PORTS = Program("ports", (sys.executable, "-m", "improv.ports"), patience_ticks=6)
_BRAIN = Program("brain", (sys.executable, "-m", "improv.daemon"), patience_ticks=20)


def main() -> None:
    """Run `improv` with the arguments of this process, and exit: 0 done, 1 could not, 2 bad usage, 130 interrupted."""
    arguments = sys.argv[1:]
    if not arguments or (arguments[0].startswith("-") and arguments[0] not in _ABOUT):
        arguments = ["jam", *arguments]
    supervisor = Supervisor(_PORTS, _BRAIN, _trouble)
    try:
        if arguments[0] in {"jam", "demo"} and not _ABOUT & set(arguments):
            supervisor.start_children()
        from improv.commands import app

        app(arguments, prog_name="improv", obj=supervisor)
    except UsageError as error:
        _fail(2, str(error))
    except ImprovError as error:
        _fail(1, f"improv: {error}")
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except Exception as error:  # noqa: BLE001 - the boundary
        _fail(1, f"improv: {type(error).__name__}: {error}\nimprov: a mistake of ours; the details are in {_log()}")
    finally:
        supervisor.discard()


def _fail(code: int, text: str) -> NoReturn:
    print(text, file=sys.stderr)
    sys.exit(code)


def _trouble(text: str) -> None:
    from improv.console import Console

    Console().trouble(text)


def _log() -> str:
    """Write the traceback of the exception at hand where a person can find it; return the file's path."""
    import tempfile

    with tempfile.NamedTemporaryFile("w", prefix="improv-", suffix=".log", delete=False) as file:
        traceback.print_exc(file=file)
    return file.name
