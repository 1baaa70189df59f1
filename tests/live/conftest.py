"""Real servers for real tests: a private jackd, a player in JACK, a synthesizer that is recorded, our ports process.

Every fixture hands out a factory or an object with `close`, and leaves nothing running. Times are `improv.clock`'s.
"""

import contextlib
import fcntl
import itertools
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import wave
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Any

import jack
import numpy as np
import pytest

from improv.clock import now
from improv.ports.client import Link, connect
from improv.ports.link import Hello, Role
from improv.ports.spec import Spec
from tests.live.jam import Jam
from tests.live.waiting import PATIENCE, wait_until

CLIENT = Path(__file__).with_name("client.py")
SOUND_FONT = Path("/usr/share/sounds/sf2/FluidR3_GM.sf2")

jack.set_error_function(lambda _: None)
jack.set_info_function(lambda _: None)


def _wait_or_kill(process: "subprocess.Popen[Any]", seconds: float = 1.0) -> None:
    """Wait for a process that should end by itself, and do not wait long."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _take_free_name() -> tuple[str, IO[str]]:
    """Return a server's name that no other test run on this machine uses, and the open file that reserves it."""
    for number in range(6):
        name = f"improv-test-{number}"
        lock = (Path(tempfile.gettempdir()) / f"{name}.lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
        else:
            return name, lock
    return pytest.fail("too many test runs at once for JACK")


class JackServer:
    """A jackd of our own: dummy driver, 48 kHz. `name` is for JACK_DEFAULT_SERVER.

    Real-time where the system allows it: a client that misses its period, 1.3 ms at 64 frames, loses MIDI.
    """

    def __init__(self, frames: int = 64) -> None:
        # JACK keeps eight names of servers that were killed, and then starts no more: so names are used again.
        self.name, self._lock = _take_free_name()
        self.frames = frames
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Start, and wait until clients are served."""
        # A test run that is killed takes its server along: it would keep its name for ever.
        command = f"setpriv --pdeathsig KILL jackd -n {self.name} -R -P 10 -m -t 50 -d dummy -r 48000 -p {self.frames}"
        self._process = subprocess.Popen(
            command.split(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until(lambda: self._answers() or self._has_ended(), f"jackd {self.name}")
        assert not self._has_ended(), f"jackd {self.name} does not start"

    def kill(self) -> None:
        """Kill -9."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def close(self) -> None:
        """Stop, and sweep what JACK leaves in shared memory. After a client was killed jackd may not stop by itself."""
        if self._process:
            self._process.terminate()
            _wait_or_kill(self._process)
        for file in Path("/dev/shm").glob(f"jack_*{self.name}_*"):  # noqa: S108  (where JACK keeps them)
            file.unlink(missing_ok=True)
        self._lock.close()

    def _has_ended(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def _answers(self) -> bool:
        return subprocess.run(["jack_lsp", "-s", self.name], capture_output=True, check=False).returncode == 0


class Client:
    """A running `client.py`, and a look at the graph that it is in."""

    def __init__(self, server: JackServer, kind: str, name: str, *files: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, CLIENT, kind, server.name, name, *files],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self.process.stdin
        assert self.process.stdout
        self.stdin, self.stdout = self.process.stdin, self.process.stdout
        assert self.stdout.readline() == "ready\n", f"{name} cannot be a client of JACK"
        self._graph: jack.Client | None = None
        self._server = server

    @property
    def graph(self) -> jack.Client:
        """A client without ports, to look at the server's graph and change it. Made anew with the server."""
        if self._graph is None:
            self._graph = jack.Client("test", servername=self._server.name, no_start_server=True)
        return self._graph

    def close(self) -> None:
        """Leave the server."""
        if self._graph:
            self._graph.close(ignore_errors=True)
        self.stdin.close()
        _wait_or_kill(self.process)
        self.stdout.close()


class Player:
    """A musician's JACK client: port "out" plays, port "in" keeps (time, bytes) of all that arrives in `heard`."""

    def __init__(self, server: JackServer, name: str = "player") -> None:
        self.name = name
        self.heard: list[tuple[float, bytes]] = []
        self._client = Client(server, "midi", name)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def connect(self, source: str, sink: str) -> None:
        """Connect two ports, once both are there."""
        graph = self._client.graph

        def connected() -> bool:
            if not {source, sink} <= {port.name for port in graph.get_ports()}:
                return False
            if sink not in self.connections(source):
                with contextlib.suppress(jack.JackError):  # a client that is not active yet
                    graph.connect(source, sink)
            return sink in self.connections(source)

        wait_until(connected, f"{source} and {sink}")

    def sit_in(self, name: str = "improv") -> "Player":
        """Connect to improv's ports, both ways."""
        self.connect(f"{self.name}:out", f"{name} in:midi")
        self.connect(f"{name} out:midi", f"{self.name}:in")
        return self

    def disconnect(self, source: str, sink: str) -> None:
        """Take a connection away, as the user of a patch bay does."""
        self._client.graph.disconnect(source, sink)

    def connections(self, port: str) -> list[str]:
        """Return the peers of any port, [] if it does not exist."""
        if all(each.name != port for each in self._client.graph.get_ports()):
            return []
        return [each.name for each in self._client.graph.get_all_connections(port)]

    def play(self, *messages: bytes) -> float:
        """Play messages in the next period; return when they were handed over."""
        at = now()
        self._client.stdin.write(" ".join(message.hex() for message in messages) + "\n")
        self._client.stdin.flush()
        return at

    def play_at(self, events: Iterable[tuple[float, bytes]]) -> None:
        """Have (time, message) played when their time has come, to the frame; in order, and after earlier calls."""
        self._client.stdin.writelines(f"@{at} {message.hex()}\n" for at, message in events)
        self._client.stdin.flush()

    def perform(self, events: Iterable[tuple[float, bytes]]) -> float:
        """Play (seconds from now, message) in time; return the time of the start. Blocks until the end."""
        start = now()
        for due, message in sorted(events, key=lambda event: event[0]):
            time.sleep(max(0.0, start + due - now()))
            self.play(message)
        return start

    def wait_for(self, message: bytes, count: int = 1) -> None:
        """Wait until a message has arrived `count` times."""
        wait_until(lambda: [m for _, m in self.heard].count(message) >= count, f"{message.hex()} at {self.name}")

    def close(self) -> None:
        """Leave the server."""
        self._client.close()
        self._reader.join(PATIENCE)

    def _read(self) -> None:
        with contextlib.suppress(ValueError):  # closed
            for line in self._client.stdout:
                at, data = line.split()
                self.heard.append((float(at), bytes.fromhex(data)))


class Synth:
    """fluidsynth in JACK ("synth:midi_00"), recorded from the start. No reverb, no chorus: silence is zero."""

    def __init__(self, server: JackServer, folder: Path, program: int = 19) -> None:
        """Program 19 is a church organ: it never decays by itself."""
        self.midi = "synth:midi_00"
        command = (
            "fluidsynth -q -a jack -m jack -o audio.jack.id=synth -o midi.jack.id=synth -o audio.jack.autoconnect=0"
            f" -o audio.jack.server={server.name} -o midi.jack.server={server.name} -r 48000 -R 0 -C 0 {SOUND_FONT}"
        )
        self._process = subprocess.Popen(
            command.split(), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self._folder = folder
        self._file = folder / "sound"
        self._period = np.dtype([("at", np.float64), ("samples", np.float32, server.frames)])
        self._recorder = Client(server, "sound", "recorder", self._file)
        wait_until(self._plug_in, "fluidsynth")
        assert self._process.stdin
        self._process.stdin.write(f"prog 0 {program}\n".encode())
        self._process.stdin.flush()

    @property
    def start(self) -> float:
        """When the recording began."""
        return float(self._periods()["at"][0])

    @property
    def end(self) -> float:
        """Up to when it has been recorded."""
        return float(self._periods()["at"][-1])

    def samples(self) -> "np.ndarray[Any, np.dtype[np.int16]]":
        """Return what has been recorded so far, 48,000 samples a second (a busy server skips periods)."""
        return _to_16_bits(self._periods()["samples"])

    def rms(self, begin: float, end: float) -> float:
        """Return the loudness between two times, in 16-bit steps."""
        periods = self._periods()
        part = _to_16_bits(periods["samples"][(periods["at"] >= begin) & (periods["at"] < end)]).astype(float)
        assert part.size, "nothing was recorded then"
        return float(np.sqrt(np.mean(part**2)))

    def save(self, name: str = "synth.wav") -> Path:
        """Write the recording as a WAV file."""
        path = self._folder / name
        with wave.open(str(path), "wb") as file:
            file.setparams((1, 2, 48_000, 0, "NONE", ""))
            file.writeframes(self.samples().tobytes())
        return path

    def close(self) -> None:
        """Stop recording and playing."""
        self._recorder.close()
        if self._process.stdin:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.write(b"quit\n")
                self._process.stdin.close()
        _wait_or_kill(self._process)

    def _plug_in(self) -> bool:
        graph = self._recorder.graph
        if "synth:left" not in {port.name for port in graph.get_ports()}:
            return False
        with contextlib.suppress(jack.JackError):
            graph.connect("synth:left", "recorder:in")
        return any(port.name == "recorder:in" for port in graph.get_all_connections("synth:left"))

    def _periods(self) -> "np.ndarray[Any, Any]":
        data = self._file.read_bytes()
        return np.frombuffer(data[: len(data) // self._period.itemsize * self._period.itemsize], self._period)


def _to_16_bits(samples: "np.ndarray[Any, np.dtype[np.float32]]") -> "np.ndarray[Any, np.dtype[np.int16]]":
    return np.rint(samples.reshape(-1) * 32767).astype(np.int16)


class PortsProcess:
    """Our ports process, with a test as its supervisor. `events` is all it has said on standard output."""

    def __init__(self, spec: Spec, server: str | None = None) -> None:
        self.spec = spec
        self.events: list[dict[str, Any]] = []
        self.started = now()
        environment = os.environ | ({"JACK_DEFAULT_SERVER": server} if server else {})
        self.process = subprocess.Popen(
            [sys.executable, "-m", "improv.ports"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
        )
        self.pid = self.process.pid
        assert self.process.stdin
        self.process.stdin.write(spec.to_line())
        self.process.stdin.flush()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._links: list[Link] = []

    def wait_event(self, name: str, **values: Any) -> dict[str, Any]:
        """Wait for an event with these values on standard output."""

        def found() -> dict[str, Any] | None:
            for event in list(self.events):
                if event["event"] == name and all(event.get(key) == value for key, value in values.items()):
                    return event
            return None

        event: dict[str, Any] = wait_until(found, f"{name} {values} of the ports process, not only {self.events[-3:]}")
        return event

    def order(self, do: str) -> None:
        """Give an order on standard input."""
        assert self.process.stdin
        self.process.stdin.write(json.dumps({"do": do}).encode() + b"\n")
        self.process.stdin.flush()

    def call(self, role: Role = Role.BRAIN, name: str = "", after_seq: int = 0) -> Link:
        """Dial in; the first message is the welcome."""
        link = connect(self.spec.address, self.spec.authkey, Hello(role, name, after_seq))
        self._links.append(link)
        return link

    def kill(self) -> None:
        """Kill -9."""
        self.process.kill()
        self.wait()

    def stop(self) -> int:
        """Order it to stop; return its exit code."""
        self.order("stop")
        return self.wait()

    def wait(self) -> int:
        """Wait for the end; return the exit code."""
        code = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        return code

    def close(self) -> None:
        """End it, whatever state it is in."""
        for link in self._links:
            link.close()
        if self.process.stdin:
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.close()
        _wait_or_kill(self.process)
        self._reader.join(PATIENCE)
        if self.process.stdout:
            self.process.stdout.close()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.events.append(json.loads(line))


@pytest.fixture
def closing() -> Iterator[Callable[[Any], Any]]:
    """Return a function that has whatever it is given closed after the test, the last first."""
    opened: list[Any] = []

    def keep(thing: Any) -> Any:
        opened.append(thing)
        return thing

    yield keep
    for thing in reversed(opened):
        thing.close()


@pytest.fixture
def jackd(closing: Callable[[Any], Any], monkeypatch: pytest.MonkeyPatch) -> JackServer:
    """Return a private JACK server at 64 frames; programs started by the test find it, and no other."""
    server: JackServer = closing(JackServer())
    monkeypatch.setenv("JACK_DEFAULT_SERVER", server.name)
    return server


@pytest.fixture
def make_player(jackd: JackServer, closing: Callable[[Any], Any]) -> Callable[..., Player]:
    """Return a function that makes players: `make_player(name="player")`."""
    return lambda name="player": closing(Player(jackd, name))


@pytest.fixture
def player(make_player: Callable[..., Player]) -> Player:
    """Return a player."""
    return make_player()


@pytest.fixture
def synth(jackd: JackServer, closing: Callable[[Any], Any], tmp_path: Path) -> Synth:
    """Return a recorded synthesizer with an organ sound."""
    synth: Synth = closing(Synth(jackd, tmp_path))
    return synth


@pytest.fixture
def start_ports(closing: Callable[[Any], Any], tmp_path: Path) -> Callable[..., PortsProcess]:
    """Return a function that starts ports processes on one memory file: `start_ports(backend="jack", ...)`.

    Keywords are those of `Spec`. Each process has an address and an epoch of its own; it is ready, or has said what
    `wait_for` names, when the function returns.
    """
    epochs = iter(range(1, 1000))

    def start(wait_for: str = "ready", **values: Any) -> PortsProcess:
        epoch = next(epochs)
        spec = Spec(
            **{
                "address": str(tmp_path / f"ports-{epoch}"),
                "authkey": b"secret",
                "memory": str(tmp_path / "memory"),
                "epoch": epoch,
                "backend": "jack",
            }
            | values
        )
        process: PortsProcess = closing(PortsProcess(spec))
        process.wait_event(wait_for)
        return process

    return start


@pytest.fixture
def start_jam(jackd: JackServer, closing: Callable[[Any], Any], tmp_path: Path) -> Callable[..., Jam]:
    """Return a function that starts a jam on the test's JACK server, with options."""
    numbers = itertools.count(1)
    return lambda *options: closing(Jam(tmp_path / f"jam-{next(numbers)}", *options))
