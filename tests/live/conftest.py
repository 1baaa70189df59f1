"""Real servers for real tests: a private jackd, a player in JACK, a synthesizer that is recorded, our ports process.

Every fixture hands out a factory or an object with `close`, and leaves nothing running. Times are `improv.clock`'s.
"""

import glob
import json
import os
import shutil
import subprocess
import sys
import threading
import time
import uuid
import wave
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import jack
import numpy as np
import pytest

from improv.clock import now
from improv.ports.client import Link, connect
from improv.ports.link import Hello, Role
from improv.ports.spec import Spec

PATIENCE = 20.0  # seconds: how long a test waits for what must come; nothing is measured by it
SOUND_FONT = Path("/usr/share/sounds/sf2/FluidR3_GM.sf2")

jack.set_error_function(lambda _: None)
jack.set_info_function(lambda _: None)


def wait_until(condition: Callable[[], Any], what: str, timeout: float = PATIENCE) -> Any:
    """Return the first true value of `condition`, looked at often; fail after `timeout` seconds."""
    deadline = now() + timeout
    while not (value := condition()):
        if now() > deadline:
            pytest.fail(f"waited {timeout:.0f} s for {what}")
        time.sleep(0.005)
    return value


class JackServer:
    """A jackd of our own: dummy driver, 48 kHz. `name` is for JACK_DEFAULT_SERVER."""

    def __init__(self, frames: int = 64) -> None:
        self.name = f"improv-{uuid.uuid4().hex[:8]}"
        self.frames = frames
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Start, and wait until clients are served."""
        self._process = subprocess.Popen(
            ["jackd", "-n", self.name, "-r", "-m", "-d", "dummy", "-r", "48000", "-p", str(self.frames)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until(self._answers, "jackd")

    def kill(self) -> None:
        """Kill -9."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def close(self) -> None:
        """Stop, and sweep what JACK leaves in shared memory."""
        if self._process:
            self._process.terminate()
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self.kill()
        for file in glob.glob(f"/dev/shm/jack_*{self.name}_*"):
            Path(file).unlink(missing_ok=True)

    def _answers(self) -> bool:
        return subprocess.run(["jack_lsp", "-s", self.name], capture_output=True, check=False).returncode == 0


class Player:
    """A musician's JACK client: port "out" plays, port "in" keeps (time, bytes) of all that arrives in `heard`."""

    def __init__(self, server: JackServer, name: str = "player") -> None:
        self.name = name
        self.heard: list[tuple[float, bytes]] = []
        self._to_play: deque[bytes] = deque()
        self._client = jack.Client(name, servername=server.name, no_start_server=True, use_exact_name=True)
        self._out = self._client.midi_outports.register("out")
        self._in = self._client.midi_inports.register("in")
        self._client.set_process_callback(self._process)
        self._client.activate()

    def connect(self, source: str, sink: str) -> None:
        """Connect two ports, once both are there."""

        def connected() -> bool:
            if {source, sink} <= {port.name for port in self._client.get_ports()}:
                if not any(port.name == sink for port in self._client.get_all_connections(source)):
                    self._client.connect(source, sink)
                return True
            return False

        wait_until(connected, f"{source} and {sink}")

    def sit_in(self, name: str = "improv") -> "Player":
        """Connect to improv's ports, both ways."""
        self.connect(f"{self.name}:out", f"{name} in:midi")
        self.connect(f"{name} out:midi", f"{self.name}:in")
        return self

    def disconnect(self, source: str, sink: str) -> None:
        """Take a connection away, as the user of a patch bay does."""
        self._client.disconnect(source, sink)

    def connections(self, port: str) -> list[str]:
        """Return the peers of any port, [] if it does not exist."""
        if all(each.name != port for each in self._client.get_ports()):
            return []
        return [each.name for each in self._client.get_all_connections(port)]

    def play(self, *messages: bytes) -> float:
        """Play messages in the next period; return when they were handed over."""
        at = now()
        self._to_play.extend(messages)
        return at

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
        self._client.set_process_callback  # noqa: B018  (kept alive until the client is closed)
        self._client.deactivate(ignore_errors=True)
        self._client.close(ignore_errors=True)

    def _process(self, _frames: int) -> None:
        at = now()
        self._out.clear_buffer()
        while self._to_play:
            self._out.write_midi_event(0, self._to_play.popleft())
        for _, data in self._in.incoming_midi_events():
            self.heard.append((at, bytes(data)))


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
        self._blocks: list[bytes] = []
        self._folder = folder
        self.start = 0.0  # when the recording begins
        self._client = jack.Client("recorder", servername=server.name, no_start_server=True)
        self._port = self._client.inports.register("in")
        self._client.set_process_callback(self._process_audio)
        self._client.activate()
        wait_until(self._plug_in, "fluidsynth")
        assert self._process.stdin
        self._process.stdin.write(f"prog 0 {program}\n".encode())
        self._process.stdin.flush()

    def samples(self) -> "np.ndarray[Any, np.dtype[np.int16]]":
        """Return what has been recorded so far, 48,000 samples a second from `start` on."""
        return np.rint(np.frombuffer(b"".join(self._blocks), np.float32) * 32767).astype(np.int16)

    def rms(self, begin: float, end: float) -> float:
        """Return the loudness between two times, in 16-bit steps."""
        first, last = (max(0, round((at - self.start) * 48_000)) for at in (begin, end))
        part = self.samples()[first:last].astype(float)
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
        self._client.deactivate(ignore_errors=True)
        self._client.close(ignore_errors=True)
        self._process.kill()
        self._process.communicate()

    def _plug_in(self) -> bool:
        if "synth:left" not in {port.name for port in self._client.get_ports()}:
            return False
        self._client.connect("synth:left", self._port)
        return True

    def _process_audio(self, frames: int) -> None:
        if not self.start:
            self.start = now() - frames / 48_000
        self._blocks.append(bytes(self._port.get_buffer()))


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
        if self.process.poll() is None:
            self.process.kill()
        self.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe:
                pipe.close()

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
    if not shutil.which("jackd"):
        if os.environ.get("CI"):
            pytest.fail("jackd is missing")
        pytest.skip("jackd is missing")
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
    if not shutil.which("fluidsynth"):
        if os.environ.get("CI"):
            pytest.fail("fluidsynth is missing")
        pytest.skip("fluidsynth is missing")
    synth: Synth = closing(Synth(jackd, tmp_path))
    return synth


@pytest.fixture
def start_ports(closing: Callable[[Any], Any], tmp_path: Path) -> Callable[..., PortsProcess]:
    """Return a function that starts ports processes on one memory file: `start_ports(backend="jack", ...)`.

    Keywords are those of `Spec`. Each process has an address and an epoch of its own.
    """
    epochs = iter(range(1, 1000))

    def start(**values: Any) -> PortsProcess:
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
        process.wait_event("ready")
        return process

    return start
