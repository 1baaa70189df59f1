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
from dataclasses import dataclass
from typing import Any

from improv import clock
from improv.console import Console, keep_traceback
from improv.engine.client import NAME, EngineProcess
from improv.engine.device import gpu_usable
from improv.engine.wire import Start
from improv.errors import ImprovError, PortError
from improv.events import CLOCK, Note, NoteOff, NoteOn, decode
from improv.musician import Manner, Musician
from improv.play.planner import Brief
from improv.play.turns import Answer, lateness, timed
from improv.ports.client import Link, connect
from improv.ports.link import (
    Accepted,
    Flush,
    FromPorts,
    Heard,
    Hello,
    Plan,
    PortState,
    Refused,
    Role,
    Sent,
    Silenced,
    Silencing,
    ToPorts,
    Welcome,
    Yielded,
)
from improv.predict.engine import Engine, ModelInfo
from improv.predict.engines import engine_of
from improv.predict.weights import find, load
from improv.sessions.journal import Journal
from improv.sessions.records import Released
from improv.settings import Settings
from improv.spec import Spec

BEAT_S = 0.5
# While a key is held the phrase is hardly over: think only once the player rests on it.
HELD_PATIENCE_S = 0.25
CLOCKS_A_BEAT = 24
_REDIAL_S = 0.02
_OFFS_WAIT_S = 0.5
_NOTHING = (-1, None)
_OURS, _OTHER = "numpy", NAME


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


@dataclass(slots=True)
class _Turn:
    """A plan that was sent, and what has become of it."""

    plan: Plan
    answer: Answer
    shift: float
    engine: str
    notes: int = 0
    left: int = 0
    first: float = 0.0


class Brain:
    """Hear, think, propose; keep the journal. Everything here runs on the event loop.

    `ask_other` passes what an answer is asked to be on to another engine, if there is one; what that writes comes in by
    `take`, if it comes. The answer of our own lies ready whatever becomes of it.
    """

    def __init__(
        self,
        musician: Musician,
        link: PortsLink,
        journal: Journal,
        console: Console,
        channel: int,
        ask_other: Callable[[list[Note], Brief], None] | None = None,
    ) -> None:
        self._ask_other = ask_other
        self._musician = musician
        self._link = link
        self._journal = journal
        self._console = console
        self._channel = channel
        self._basis = 0
        self._turns: dict[int, _Turn] = {}
        self._last_turn = 0
        self._answered = 0
        self._proposed: tuple[int, float | None] = _NOTHING
        self._backlog = 0
        self._ticks = 0
        self._is_restored = False
        self._thinking: asyncio.Task[None] | None = None
        self._sounding: set[bytes] = set()
        self._is_degraded = False
        self._taken: Answer | None = None
        self.silent = asyncio.Event()
        self.silent.set()

    def receive(self, message: FromPorts) -> None:
        """Take one message of the ports process."""
        self._record(message)
        match message:
            case Heard():
                self._heard(message)
            case Yielded(turn, _, at):
                self._musician.settle(at)
                if not self._close(turn, at, cut=True):
                    self._proposed = _NOTHING  # it was dropped before it began: there may still be something to say
            case Sent():
                self._sent(message)
            case Silenced(at, how):
                self._silenced(at, how)
            case Refused(turn):
                refused = self._turns.pop(turn, None)
                if refused is not None and refused.plan.basis != self._basis:
                    self._proposed = _NOTHING
            case PortState():
                self._console.ports(message)
            case Welcome(_, seq):
                self._backlog = seq
        if self._basis >= self._backlog:
            self._think_again()

    def restore(self, records: list[Heard | Released], last_turn: int) -> None:
        """Hear again what was heard before a restart; what has had its answer, or its moment, gets none."""
        for record in records:
            match record:
                case Heard(seq, at, port, data):
                    self._basis = self._link.last_seq = seq
                    self._hear(at, port, data)
                case Released(at):
                    self._musician.release_all(at)
        self._last_turn = last_turn
        self._is_restored = True
        self._leave_what_is_over()

    def ports_lost(self) -> None:
        """Let go of all held keys: the ports process has gone, and nobody will tell of their release."""
        at = clock.now()
        self._journal.write_released(at)
        self._musician.release_all(at)
        self._turns.clear()
        self._sounding.clear()
        self.silent.set()
        self._proposed = _NOTHING

    def stop(self) -> None:
        """Stop thinking and end what sounds."""
        if self._thinking is not None:
            self._thinking.cancel()
        self._link.send(Flush())

    def _leave_what_is_over(self) -> None:
        call, deadline = self._musician.call, self._musician.deadline
        if call is not None and deadline is not None and deadline <= clock.now():
            self._answered = call.number

    def _record(self, message: FromPorts) -> None:
        match message:
            case Welcome():
                return
            case Heard(data=data) if data[0] == CLOCK:
                # One a beat: all of them would be 30 MB an hour.
                self._ticks += 1
                if self._ticks % CLOCKS_A_BEAT != 1:
                    return
            case Accepted(turn) if turn in self._turns:
                known = self._turns[turn]
                self._journal.write_plan(known.plan, known.shift, known.answer, known.engine)
        self._journal.write(message)

    def _heard(self, heard: Heard) -> None:
        self._basis = heard.seq
        self._hear(heard.at, heard.port, heard.data)
        if self._is_restored and heard.seq >= self._backlog:
            self._is_restored = False
            self._leave_what_is_over()

    def _silenced(self, at: float, how: Silencing) -> None:
        for number in list(self._turns):
            self._close(number, at, cut=True)
        if how is Silencing.OUTPUT_LOST:
            self._sounding.clear()
            self.silent.set()

    def _hear(self, at: float, port: str, data: bytes) -> None:
        event = decode(data)
        if event is not None:
            self._musician.feed(at, port, event)

    def _think_again(self) -> None:
        """Start on a new answer if the phrase or its end has changed since the last."""
        call = self._musician.call
        wanted = (self._musician.revision, self._musician.deadline)
        if call is None or call.number == self._answered or wanted == self._proposed:
            return
        if self._thinking is not None:
            self._thinking.cancel()
        self._proposed = wanted
        self._thinking = asyncio.create_task(self._think())

    async def _think(self) -> None:
        if self._musician.holding:
            await asyncio.sleep(HELD_PATIENCE_S)
        try:
            if self._ask_other is not None and not self._musician.written and (asked := self._musician.question()):
                self._ask_other(*asked)
            for result in self._musician.thinking():
                if result is None:
                    await asyncio.sleep(0)
                else:
                    self._propose(result, _OTHER if result is self._taken else _OURS)
        except Exception as error:  # noqa: BLE001 - the boundary: whatever the engine does, the jam goes on
            if not self._is_degraded:
                self._is_degraded = True
                self._console.trouble(
                    f"degraded: the model has failed, there are no answers; details in {keep_traceback(error)}"
                )

    def take(self, answer: Answer) -> None:
        """Let an answer that the other engine has written be played, if it is still asked for, and in time."""
        deadline = self._musician.deadline
        if deadline is None or not self._musician.fits(answer):
            return
        # A late answer is worse than our own, which lies there already.
        if self._musician.written and lateness(deadline, clock.now()) != 0.0:
            return
        if self._thinking is not None:
            self._thinking.cancel()
        self._taken = answer
        self._musician.take(answer)
        self._propose(answer, _OTHER)

    def _propose(self, answer: Answer, engine: str) -> None:
        deadline = self._musician.deadline
        if deadline is None or answer.number == self._answered:
            return
        shift = lateness(deadline, clock.now())
        if shift is None:
            return
        self._last_turn += 1
        plan = Plan(self._last_turn, self._basis, timed(answer, deadline + shift, self._channel))
        self._turns[plan.turn] = _Turn(plan, answer, shift, engine, left=len(plan.events))
        for old in [turn for turn, known in self._turns.items() if not known.notes and turn < plan.turn - 4]:
            del self._turns[old]
        self._link.send(plan)

    def _sent(self, sent: Sent) -> None:
        event = decode(sent.data)
        key = bytes((sent.data[0] & 0x0F, sent.data[1])) if len(sent.data) > 1 else b""
        if isinstance(event, NoteOn):
            self._sounding.add(key)
            self.silent.clear()
        elif isinstance(event, NoteOff):
            self._sounding.discard(key)
            if not self._sounding:
                self.silent.set()
        turn = self._turns.get(sent.turn)
        if turn is None:
            return
        turn.left -= 1
        if isinstance(event, NoteOn):
            if not turn.notes:
                self._began(turn, sent.due)
            turn.notes += 1
        if turn.left <= 0:
            self._close(sent.turn, sent.due, cut=False)

    def _began(self, turn: _Turn, at: float) -> None:
        turn.first = at
        self._answered = turn.answer.number
        for number in [number for number in self._turns if number < turn.plan.turn]:
            self._close(number, at, cut=False)
        call = self._musician.call
        if call is not None:
            self._console.heard(call.notes, call.length)

    def _close(self, number: int, at: float, *, cut: bool) -> bool:
        """Forget a turn; return whether any of it was heard."""
        turn = self._turns.pop(number, None)
        if turn is None or not turn.notes:
            return False
        self._console.answered(turn.notes, at - turn.first, cut=cut)
        return True


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


async def run(spec: Spec, engine: Engine) -> str:
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
    musician = Musician(engine, Manner.of(spec.settings), spec.seed)
    brain: Brain | None = None
    link = PortsLink(
        lambda seq: connect(spec.address, spec.authkey, Hello(Role.BRAIN, "brain", seq)),
        on_message=lambda message: brain.receive(message) if brain else None,
        on_lost=lambda: brain.ports_lost() if brain else None,
    )
    other = _other_engine(spec.settings, engine.info, console)
    brain = Brain(
        musician, link, journal, console, spec.settings.ports.output_channel - 1, other.ask if other else None
    )
    if spec.restore and spec.journal is not None:
        brain.restore(*journal.heard_so_far())
    else:
        journal.write_session(spec.settings, engine.info, spec.seed)
    for number in (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
        signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop, "terminated"))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal tells every process; the supervisor decides
    _listen_to_supervisor(loop, stop)
    link.open(loop)
    gc.collect()
    gc.freeze()
    _say(event="ready", journal=str(spec.journal) if spec.journal else None)
    console.ready(engine.info.name, spec.seed)
    if other is not None:
        other.open(loop, brain.take)
    beats = loop.create_task(_beat())
    reason = await stopped
    beats.cancel()
    brain.stop()
    if other is not None:
        other.close()
    with suppress(TimeoutError):
        await asyncio.wait_for(brain.silent.wait(), _OFFS_WAIT_S)
    link.close()
    journal.close(reason)
    return reason


def _other_engine(settings: Settings, model: ModelInfo, console: Console) -> EngineProcess | None:
    """Return the engine that is to play besides numpy, as the settings ask for it; None if numpy plays alone."""
    wanted = settings.model.engine
    if wanted == "numpy" or (wanted == "auto" and not gpu_usable()):
        return None
    start = Start(find(settings.model.name).resolve(), model.hash, settings.controls.style, needs_gpu=wanted != "keras")
    return EngineProcess(start, console.say, console.trouble, only_if_faster=wanted == "auto")


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
        reason = asyncio.run(run(spec, load_engine(spec.settings.model.name, spec.settings.controls.style)))
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
