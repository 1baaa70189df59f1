"""How late timed notes are while the brain computes flat out: `ports`, a bare process, and the two other ways.

The brain and the ports process are the real ones. We sit between them as the brain that `ports` knows, so that we can
send notes all the time, and pass on what is heard to the real brain, which then has an answer to write all the time.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from itertools import count as count_up
from multiprocessing.connection import Connection, Listener
from pathlib import Path
from typing import Any, Self

from improv.bench.figures import Limit, Row, judged, percentile, share_above, spread
from improv.bench.processes import Band, address, private_folder
from improv.bench.system import processor_seconds
from improv.bench.worker import Worker
from improv.clock import now
from improv.errors import ImprovError
from improv.events import NoteOff, NoteOn, encode
from improv.ports.client import Link
from improv.ports.link import Accepted, Heard, Hello, Plan, Play, PortState, Refused, Role, Sent, Welcome
from improv.settings import BargeIn, Ports, Settings, Turns

PERIOD_S = 0.01
VERY_LATE_MS = 5.0

_LEAD_S = 0.1
_KEY_S = 0.005
_BURST_KEY_S, _BURST_STEP_S = 0.001, 0.01
_PATIENCE_S = 5.0
WHAT = "lateness of timed notes while the brain computes flat out"
_WAYS = {
    "asyncio": "a timer of the brain's event loop, which computes flat out",
    "thread": "a thread beside that loop",
    "ports": "the ports process, while the brain computes flat out",
}

Blocks = dict[str, list[list[float]]]

# The player never stops, and yet the notes go on: here nothing counts as playing into them.
_PORTS = Settings(Ports(backend="none"), BargeIn(ghost_velocity=127, ghost_ms=1000))
_BRAIN = Settings(Ports(backend="none"), turns=Turns(silence_ms=400, min_answer_s=8))


class Relay:
    """What the real brain takes for its ports process. It is told what is heard; its plans lead nowhere."""

    def __init__(self, folder: Path) -> None:
        self.address, self.authkey = address(folder), b"bench"
        self.plans = 0
        self._listener = Listener(self.address, authkey=self.authkey)
        self._brain: Connection[Any, Any] | None = None
        self._answered = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def wait(self) -> None:
        """Wait until the brain has dialled in. Raises ImprovError."""
        if not self._answered.wait(_PATIENCE_S):
            raise ImprovError("the brain does not dial in")

    def tell(self, message: object) -> None:
        """Pass on a message."""
        if self._brain is not None:
            with suppress(OSError):
                self._brain.send(message)

    def close(self) -> None:
        """Hang up."""
        self._listener.close()
        if self._brain is not None:
            self._brain.close()

    def _serve(self) -> None:
        with suppress(OSError, EOFError, TypeError):  # what a connection raises that is closed meanwhile
            self._brain = self._listener.accept()
            if isinstance(self._brain.recv(), Hello):
                self._brain.send(Welcome(1, 0))
                self._brain.send(PortState("none", (), ("", False)))
                self._answered.set()
            while True:
                self.plans += isinstance(self._brain.recv(), Plan)


class Rig:
    """Ports, brain and us in between. Leave with `close`."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        try:
            self._band = self._stack.enter_context(Band(_PORTS))
            self._relay = Relay(self._stack.enter_context(private_folder()))
            self._stack.callback(self._relay.close)
            self.brain = self._band.start_brain(_BRAIN, self._relay.address, self._relay.authkey)
            self._relay.wait()
            self._link = self._band.call(Role.BRAIN)
            self._player = self._band.call(Role.INPUT, "bench")
        except BaseException:
            self._stack.close()
            raise
        self._turns = count_up(1)
        self._late: list[float] = []
        self._ended = threading.Event()
        self._last = b""
        threading.Thread(target=self._listen, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def plans(self) -> int:
        """Answers that the brain has written."""
        return self._relay.plans

    def perform(self, count: int) -> list[float]:
        """Have `count` notes sent at their times; return how late (ms) each was. A note never sent is the latest."""
        start = now() + _LEAD_S
        self._late.clear()
        self._ended.clear()
        events = []
        for place in range(count):
            pitch, due = 40 + place % 40, start + place * PERIOD_S
            events += [(due, encode(NoteOn(pitch, 80))), (due + _KEY_S, encode(NoteOff(pitch)))]
        # The last word has a channel and pitch of its own.
        self._last = encode(NoteOff(127))
        end = start + count * PERIOD_S
        events += [(end, encode(NoteOn(127, 1))), (end + _KEY_S, self._last)]
        self._link.send(Plan(next(self._turns), 0, tuple(events)))
        if not self._ended.wait(_LEAD_S + count * PERIOD_S + _PATIENCE_S):
            raise ImprovError("the ports process did not send what it was told")
        late = self._late[:count]
        return late + [_PATIENCE_S * 1000] * (count - len(late))

    def _listen(self) -> None:
        with suppress(OSError, EOFError, TypeError):
            while True:
                self._take(self._link.recv())

    def _take(self, message: object) -> None:
        match message:
            case Heard():
                self._relay.tell(message)
            case Sent(due=due, at=at, data=data):
                if data[0] & 0xF0 == 0x90:
                    self._late.append((at - due) * 1000)
                elif data == self._last:
                    self._ended.set()
            case Accepted() | Refused() | Welcome() | PortState():
                pass

    def burst(self) -> "Burst":
        """Return a player who does not stop."""
        return Burst(self._player)


class Burst:
    """While entered, plays a short note every 10 ms: the brain gives up an answer and begins another each time."""

    def __init__(self, player: Link) -> None:
        self._player = player
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._play, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _play(self) -> None:
        start = now()
        for place in count_up():
            pitch = 60 + place * 5 % 12
            self._player.send(Play(encode(NoteOn(pitch, 80))))
            self._over.wait(_BURST_KEY_S)
            self._player.send(Play(encode(NoteOff(pitch))))
            if self._over.wait(max(0.0, start + (place + 1) * _BURST_STEP_S - now())):
                return


def measure(rounds: int, count: int, say: Callable[[str], None]) -> Iterator[Row]:
    """Yield the rows; each of the four ways sends `count` notes in each of `rounds` rounds."""
    blocks: Blocks = {"ports": [], "bare": [], "asyncio": [], "thread": []}
    busy = []
    with Rig() as rig, Worker("improv.bench.worker_waiting") as bare, Worker("improv.bench.worker_waiting") as beside:
        for number in range(rounds):
            say(f"lateness of timed notes: round {number + 1} of {rounds}")
            used, since = _processor_seconds(rig.brain.pid), now()
            with rig.burst():
                # Neither is always first.
                for way in (("ports", "bare"), ("bare", "ports"))[number % 2]:
                    late = rig.perform(count) if way == "ports" else bare.ask(way, count=count, period=PERIOD_S)
                    blocks[way].append(late)
                busy.append(100 * (_processor_seconds(rig.brain.pid) - used) / (now() - since))
            for way in ("asyncio", "thread"):
                blocks[way].append(beside.ask(way, count=count, period=PERIOD_S))
    yield from against_bare(blocks["ports"], blocks["bare"], f"the brain used {min(busy):.0f} % of a core or more")
    for way, name in _WAYS.items():
        late = _flat(blocks[way])
        later = f"later than {VERY_LATE_MS:.0f} ms: {share_above(late, VERY_LATE_MS):.2f} %"
        yield Row(f"lateness of a timed note sent by {name}", "ms", spread(late), note=later)


def against_bare(ports: list[list[float]], bare: list[list[float]], note: str) -> Iterator[Row]:
    """Yield what was promised of lateness (ms), from blocks of the ports process and of the bare process."""
    ours, theirs = _flat(ports), _flat(bare)
    median, floor = (percentile([percentile(block, 50) for block in blocks], 50) for blocks in (ports, bare))
    limit = Limit("median over bare", 0.1)
    yield judged(Row(WHAT, "ms", spread(ours) | {limit.statistic: median - floor}, spread(theirs), (limit,), note))
    share, floor = share_above(ours, VERY_LATE_MS), share_above(theirs, VERY_LATE_MS)
    limit = Limit("over bare", 0.5)
    what = f"share of them later than {VERY_LATE_MS:.0f} ms"
    yield judged(Row(what, "%", {"share": share, limit.statistic: share - floor}, {"share": floor}, (limit,)))


def _processor_seconds(pid: int) -> float:
    """Return the processor time of a process; 0 where the system does not say."""
    try:
        return processor_seconds(pid)
    except OSError:
        return 0.0


def _flat(blocks: list[list[float]]) -> list[float]:
    return [sample for block in blocks for sample in block]
