"""The real processes, started for a measurement and ended after it; and what the system says of them."""

import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Self

from improv.bench.worker import NotThereError
from improv.clock import now
from improv.errors import ImprovError
from improv.ports.client import Link, connect
from improv.ports.link import Hello, Role
from improv.ports.spec import Spec as PortsSpec
from improv.settings import Settings
from improv.spec import Spec as BrainSpec

SERVER = "JACK_DEFAULT_SERVER"
JACK_RATE = 48_000

_PATIENCE_S = 20.0
_STOP_S = 5.0
_LOOK_S = 0.002


def wait_until(condition: Callable[[], bool], what: str, patience: float = _PATIENCE_S) -> float:
    """Look until `condition` holds; return when it did (seconds). Raises ImprovError after `patience` seconds."""
    deadline = now() + patience
    while not condition():
        if now() > deadline:
            raise ImprovError(f"waited {patience:.0f} s for {what}")
        time.sleep(_LOOK_S)
    return now()


class Program:
    """A process that we started. A terminal's Ctrl-C does not reach it: we end it. Leave with `close`."""

    def __init__(self, *command: str, environment: Mapping[str, str] | None = None, folder: Path | None = None) -> None:
        self.started = now()
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
            cwd=folder,
            start_new_session=True,
        )
        self.lines: list[tuple[float, str]] = []
        """What it has said, and when we heard it."""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """Its number."""
        return self.process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def write(self, line: bytes) -> None:
        """Write to its standard input, if it still reads."""
        if self.process.stdin is not None:
            with suppress(OSError):
                self.process.stdin.write(line)
                self.process.stdin.flush()

    def wait_for(self, fits: Callable[[str], bool], what: str) -> float:
        """Return when it said a line that fits. Raises ImprovError if it ends before, or says none."""

        def said() -> bool:
            return any(fits(line) for _, line in self.lines) or self.process.poll() is not None

        wait_until(said, what)
        if self.process.poll() is not None:
            self._reader.join(_STOP_S)  # it may have ended before its last words were read
        for at, line in self.lines:
            if fits(line):
                return at
        raise ImprovError(f"{what}: the process has ended{': ' if self.lines else ''}{self._last_words()}")

    def leave(self) -> None:
        """End its standard input, and give it time to go by itself."""
        if self.process.stdin is not None:
            with suppress(OSError):
                self.process.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(_STOP_S)

    def close(self) -> None:
        """Ask it to end, then kill it. Idempotent."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._reader.join(_STOP_S)
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()

    def _read(self) -> None:
        for line in self.process.stdout or ():
            self.lines.append((now(), line.decode(errors="replace").rstrip()))

    def _last_words(self) -> str:
        return self.lines[-1][1] if self.lines else ""


class Child(Program):
    """One of improv's own processes, with us as its supervisor."""

    def __init__(self, module: str, spec: bytes, environment: Mapping[str, str] | None = None) -> None:
        super().__init__(sys.executable, "-m", module, environment=environment)
        self.write(spec)
        try:
            self.wait_for(lambda line: _event(line) == "ready", f"{module} to be ready")
        except BaseException:
            self.close()
            raise


def _event(line: str) -> str:
    with suppress(ValueError, AttributeError):
        return str(json.loads(line).get("event"))
    return ""


class Band:
    """A ports process and whoever calls it, in a private folder. Leave with `close`: everything ends."""

    def __init__(self, settings: Settings, environment: Mapping[str, str] | None = None) -> None:
        self.settings = settings
        self._stack = ExitStack()
        self._authkey = secrets.token_bytes(16)
        folder = self._stack.enter_context(private_folder())
        self._address = address(folder)
        spec = PortsSpec.of(settings, self._address, self._authkey, str(folder / "memory"))
        try:
            self.ports = self._stack.enter_context(Child("improv.ports", spec.to_line(), environment))
        except BaseException:
            self._stack.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def call(self, role: Role, name: str = "") -> Link:
        """Dial in; the first message is the welcome."""
        link = connect(self._address, self._authkey, Hello(role, name))
        self._stack.callback(link.close)
        return link

    def start_brain(self, settings: Settings, address: str = "", authkey: bytes = b"") -> Child:
        """Start a brain on these ports, or on whoever listens at `address`."""
        spec = BrainSpec(settings, 1, address or self._address, authkey or self._authkey, None, quiet=True)
        return self._stack.enter_context(Child("improv.daemon", spec.to_line()))

    def close(self) -> None:
        """End everything. Idempotent."""
        self._stack.close()


def address(folder: Path) -> str:
    """Return where somebody can listen who has this private folder (`multiprocessing.connection`)."""
    return rf"\\.\pipe\{folder.name}" if sys.platform == "win32" else str(folder / "link")


class private_folder:  # noqa: N801 - a context manager that reads as a function
    """Make a folder with a short name (sockets need that), and remove it afterwards."""

    def __init__(self) -> None:
        self._path = Path(tempfile.mkdtemp(prefix="improv-bench-"))

    def __enter__(self) -> Path:
        return self._path

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._path, ignore_errors=True)


class JackServer:
    """A jackd of our own with the dummy driver; nobody else's is touched. `environment` leads programs to it."""

    def __init__(self, frames: int) -> None:
        """Start it. Raises NotThereError without jackd or JACK-Client."""
        if shutil.which("jackd") is None:
            raise NotThereError("jackd is not installed")
        try:
            import jack
        except (ImportError, OSError) as error:
            raise NotThereError("JACK-Client or JACK's library is not installed") from error
        jack.set_error_function(lambda _: None)
        jack.set_info_function(lambda _: None)
        self.name = f"improv-bench-{uuid.uuid4().hex[:8]}"
        self.environment = {SERVER: self.name}
        command = f"jackd -n {self.name} -r -m -d dummy -r {JACK_RATE} -p {frames}"
        self._program = Program(*command.split())
        try:
            wait_until(self._answers, "jackd")
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop it, and sweep what JACK leaves in shared memory. Idempotent."""
        self._program.close()
        for file in Path("/dev/shm").glob(f"jack_*{self.name}_*"):  # noqa: S108 - JACK's own place
            file.unlink(missing_ok=True)

    def _answers(self) -> bool:
        import jack

        try:
            jack.Client("bench", servername=self.name, no_start_server=True).close()
        except jack.JackOpenError:
            if self._program.process.poll() is not None:
                raise NotThereError("jackd does not start here") from None
            return False
        return True
