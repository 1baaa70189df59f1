"""The command line's first and last word.

The two processes of a jam are started before anything else is imported, so that they import while we do. Whatever goes
wrong, a person is told in plain words.
"""

import os
import sys

_ABOUT = {"--help", "-h", "--version", "--install-completion", "--show-completion"}
_INTERRUPTED = 130

# -P: what lies in the current folder is not for Python to import.
_PORTS = (sys.executable, "-P", "-m", "improv.ports")
_BRAIN = (sys.executable, "-P", "-m", "improv.daemon")


def main() -> None:
    """Run `improv` with the arguments of this process, and exit: 0 done, 1 could not, 2 bad usage, 130 interrupted."""
    try:
        # Streams that were closed before we began.
        sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115
        sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115
        for stream in (sys.stdout, sys.stderr):
            # Our children need something there too: else a socket of theirs would get its number.
            if getattr(stream, "name", None) == os.devnull:
                os.set_inheritable(stream.fileno(), True)  # noqa: FBT003
        _run(sys.argv[1:])
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)


def _run(arguments: list[str]) -> None:
    from improv.errors import ImprovError, UsageError
    from improv.supervisor import Program, Supervisor

    if not arguments or (arguments[0].startswith("-") and arguments[0] not in _ABOUT):
        arguments = ["jam", *arguments]
    # The ports process beats from its deadline loop; the brain may be deep in thought.
    supervisor = Supervisor(Program("ports", _PORTS, 6), Program("brain", _BRAIN, 20), _trouble)
    try:
        if arguments[0] in {"jam", "demo"} and not _ABOUT & set(arguments):
            supervisor.start_children()
        from improv.commands import app

        app(arguments, prog_name="improv", obj=supervisor)
    except UsageError as error:
        _fail(2, str(error))
    except ImprovError as error:
        _fail(1, f"improv: {error}")
    except Exception as error:  # noqa: BLE001 - the boundary
        from improv.console import keep_traceback

        log = keep_traceback(error)
        _fail(1, f"improv: {type(error).__name__}: {error}\nimprov: a mistake of ours; the details are in {log}")
    finally:
        supervisor.discard()
        if "improv.console" in sys.modules:
            sys.modules["improv.console"].flush()


def _fail(code: int, text: str) -> None:
    from improv.console import tell

    tell(text)
    sys.exit(code)


def _trouble(text: str) -> None:
    from improv.console import Console

    Console().trouble(text)
