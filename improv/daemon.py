"""The brain: an asyncio daemon that wires the ports process, the musician and the journal together.

Started by the supervisor as `python -m improv.daemon`: it imports, then reads its `Spec` (a line of base64 pickle) from
standard input, so that the imports run while the configuration is still being checked. Then JSON lines:
`{"do": "stop"}` comes in; `ready`, `beat` and `bye` go out. The end of standard input is the supervisor's death.
"""

import asyncio
import gc
import json
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from improv.brain import Brain
from improv.console import Console, keep_traceback
from improv.control.surface import Surface
from improv.edits import Watch, reread
from improv.engine.client import EngineProcess
from improv.engine.device import gpu_usable
from improv.engine.wire import Start
from improv.errors import ImprovError, PortError
from improv.musician import Manner, Musician
from improv.ports.client import Link, connect
from improv.ports.link import FromPorts, Heard, Hello, Role, ToPorts
from improv.predict.engine import Engine, ModelInfo
from improv.predict.engines import engine_of
from improv.predict.memory import Memory
from improv.predict.weights import find, load
from improv.sessions.journal import Journal
from improv.sessions.learned import read_learned
from improv.sessions.players import file_of, open_memory, save
from improv.settings import Settings
from improv.spec import Spec
from improv.steering import Steering

BEAT_S = 0.5
_REDIAL_S = 0.02
_OFFS_WAIT_S = 0.5


def load_engine(model: str, style: str | None = None) -> Engine:
    """Return the engine that plays the weights of `model`, a name or a path. Raise ModelError if they do not fit."""
    return engine_of(load(find(model)), style)


class PortsLink:
    """The brain's line to the ports process: redials when it breaks, for as long as it is open.

    `on_message` and `on_lost` are called on the event loop; a thread reads. `send` is for the loop only. What is sent
    while the line is down is lost: it would be stale when the line is back.
    """

    def __init__(
        self,
        dial: Callable[[int], Link],
        on_message: Callable[[FromPorts], None],
        on_lost: Callable[[], None],
    ) -> None:
        self._dial = dial
        self._on_message = on_message
        self._on_lost = on_lost
        self._connection: Link | None = None
        self._closed = threading.Event()
        self.last_seq = 0

    def open(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start to dial; messages arrive on `loop`."""
        threading.Thread(target=self._read, args=(loop,), name="ports link", daemon=True).start()

    def send(self, message: ToPorts) -> None:
        """Send `message` if the line is up. Never raises."""
        connection = self._connection
        if connection is not None:
            try:
                connection.send(message)
            except (OSError, ValueError):
                self._connection = None

    def close(self) -> None:
        """Hang up. Idempotent."""
        self._closed.set()
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _read(self, loop: asyncio.AbstractEventLoop) -> None:
        while not self._closed.is_set():
            try:
                connection = self._dial(self.last_seq)
            except (OSError, EOFError, PortError):  # not there yet, or it died in the middle of our greeting
                self._closed.wait(_REDIAL_S)
                continue
            self._connection = connection
            self._pump(connection, loop)
            self._connection = None
            self._hand_over(loop, self._on_lost)

    def _pump(self, connection: Link, loop: asyncio.AbstractEventLoop) -> None:
        try:
            while True:
                message = connection.recv()
                if isinstance(message, Heard):
                    self.last_seq = message.seq
                self._hand_over(loop, self._on_message, message)
        except (OSError, EOFError, TypeError, ValueError):
            with suppress(OSError):  # `close` was quicker
                connection.close()

    def _hand_over(self, loop: asyncio.AbstractEventLoop, call: Callable[..., None], *args: object) -> None:
        try:
            loop.call_soon_threadsafe(call, *args)
        except RuntimeError:
            self._closed.set()  # the loop has ended before us


def _say(**fact: object) -> None:
    """Write one JSON line to the supervisor."""
    try:
        sys.stdout.write(json.dumps(fact) + "\n")
        sys.stdout.flush()
    except OSError:
        return  # the supervisor has gone; the end of standard input says so too


def _listen_to_supervisor(loop: asyncio.AbstractEventLoop, stop: Callable[[str], None]) -> None:
    """Read orders until standard input ends. A thread of its own: pipes are not awaitable on every system."""

    def read() -> None:
        reason = "the supervisor has gone"
        for line in sys.stdin.buffer:
            if json.loads(line).get("do") == "stop":
                reason = "stop"
                break
        try:
            loop.call_soon_threadsafe(stop, reason)
        except RuntimeError:
            return  # already over

    threading.Thread(target=read, name="supervisor", daemon=True).start()


async def run(spec: Spec, engine: Engine, styles: tuple[str, ...] = ()) -> str:
    """Jam until told to stop; return the reason."""
    loop = asyncio.get_running_loop()
    stopped: asyncio.Future[str] = loop.create_future()

    def stop(reason: str) -> None:
        if not stopped.done():
            stopped.set_result(reason)

    def report(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception") or RuntimeError(context["message"])
        console.trouble(f"{type(error).__name__}: {error}; a mistake of ours, details in {keep_traceback(error)}")

    console = Console(quiet=spec.quiet)
    journal = Journal(spec.journal, on_trouble=console.trouble)
    loop.set_exception_handler(report)
    memory, is_kept = _memory(spec.settings, engine.info, console)
    musician = Musician(engine, Manner.of(spec.settings), spec.seed, memory)
    brain: Brain | None = None
    steering: Steering | None = None
    link = PortsLink(
        lambda seq: connect(spec.address, spec.authkey, Hello(Role.BRAIN, "brain", seq)),
        on_message=lambda message: steering.receive(message) if steering else None,
        on_lost=lambda: _lose_ports(brain, steering),
    )
    other = _other_engine(spec.settings, engine.info, console)
    ask_other = other.ask if other else None
    brain = Brain(musician, link, journal, console, ask_other, spec.settings.model.candidates)
    surface = _surface(spec.settings, styles, console)
    steering = Steering(brain, link, console, spec.settings, styles, surface)
    if spec.restore and spec.journal is not None:
        brain.restore(*journal.heard_so_far())
        steering.catch_up()
    else:
        journal.write_session(spec.settings, engine.info, spec.seed)
    _heed(loop, stop)
    link.open(loop)
    gc.collect()
    gc.freeze()
    _say(event="ready", journal=str(spec.journal) if spec.journal else None)
    console.ready(engine.info.name, spec.seed)
    if other is not None:
        other.open(loop, brain.take)
    tasks = [loop.create_task(_beat()), loop.create_task(_watch(spec, steering, styles))]
    reason = await stopped
    for task in tasks:
        task.cancel()
    steering.stop()
    brain.stop()
    if other is not None:
        other.close()
    with suppress(TimeoutError):
        await asyncio.wait_for(brain.silent.wait(), _OFFS_WAIT_S)
    link.close()
    if is_kept:
        _keep(musician, spec.settings, console)
    journal.close(reason)
    return reason


def _lose_ports(brain: Brain | None, steering: Steering | None) -> None:
    if brain is not None:
        brain.ports_lost()
    if steering is not None:
        steering.ports_lost()


def _heed(loop: asyncio.AbstractEventLoop, stop: Callable[[str], None]) -> None:
    """Call `stop` when the system or the supervisor wants the end."""
    for number in (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
        signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop, "terminated"))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal tells every process; the supervisor decides
    _listen_to_supervisor(loop, stop)


def _other_engine(settings: Settings, model: ModelInfo, console: Console) -> EngineProcess | None:
    """Return the engine that is to play besides numpy, as the settings ask for it; None if numpy plays alone."""
    wanted = settings.model.engine
    if wanted == "numpy" or (wanted == "auto" and not gpu_usable()):
        return None
    start = Start(find(settings.model.name).resolve(), model.hash, settings.controls.style, needs_gpu=wanted != "keras")
    return EngineProcess(start, console.say, console.trouble, only_if_faster=wanted == "auto")


def _memory(settings: Settings, model: ModelInfo, console: Console) -> tuple[Memory, bool]:
    """Return what is remembered of the player, and whether to keep what is learned: not over what could not be read."""
    if settings.player.name is None:
        return Memory(), False
    try:
        memory, told = open_memory(_player(settings), model)
    except ImprovError as error:
        console.trouble(f"{error}; this session is not kept")
        return Memory(), False
    if told:
        console.trouble(told)
    console.say(f"player {settings.player.name}: {len(memory)} notes remembered")
    return memory, True


def _keep(musician: Musician, settings: Settings, console: Console) -> None:
    """Keep what was learned of the player for the next time."""
    try:
        musician.learn()
        save(_player(settings), musician.memory, musician.engine.info)
    except ImprovError as error:
        console.trouble(str(error))


def _player(settings: Settings) -> Path:
    return file_of(Path(settings.player.folder).expanduser(), settings.player.name or "")


def _surface(settings: Settings, styles: tuple[str, ...], console: Console) -> Surface:
    """Return the surface, with what was learned earlier. A damaged file of that is said, and left alone."""
    learned = {}
    if settings.midi.learned is not None:
        try:
            learned = read_learned(Path(settings.midi.learned).expanduser())
        except ImprovError as error:
            console.trouble(str(error))
    programs = [preset.program for preset in settings.presets]
    return Surface(settings.midi, settings.pedals, programs, styles, learned)


async def _watch(spec: Spec, steering: Steering, styles: tuple[str, ...]) -> None:
    """Look now and then whether the file has been edited, and have what it says now applied."""
    if spec.config is None:
        return
    watch, settings = Watch(spec.config, spec.seen), spec.settings
    while True:
        await asyncio.sleep(BEAT_S)
        if watch.look():
            edit = await asyncio.to_thread(reread, spec.config, spec.overrides, settings, styles)
            settings = edit.settings
            steering.edited(edit)


async def _beat() -> None:
    while True:
        _say(event="beat")
        await asyncio.sleep(BEAT_S)


def main() -> int:
    """Run the brain as a child of the supervisor; return the exit code."""
    line = sys.stdin.buffer.readline()
    if not line.strip():
        return 0  # discarded before the start
    spec = Spec.from_line(line)
    try:
        weights = load(find(spec.settings.model.name))
        engine = engine_of(weights, spec.settings.controls.style)
        reason = asyncio.run(run(spec, engine, weights.card.styles))
    except ImprovError as error:
        _say(event="bye", code=1, reason=str(error))
        return 1
    except Exception as error:  # noqa: BLE001 - the boundary: no traceback on stage. Without a bye we are restarted
        Console().trouble(f"{type(error).__name__}: {error}; a mistake of ours, details in {keep_traceback(error)}")
        return 1
    _say(event="bye", code=0, reason=reason)
    return 0


if __name__ == "__main__":
    sys.exit(main())
