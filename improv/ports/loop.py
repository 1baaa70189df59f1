"""The deadline thread: the one owner of the gate. It sleeps until something is due or has come in.

Whatever happens reaches it through one inbox: MIDI input as (stamp, port, bytes), everything else as a call.
"""

import contextlib
import gc
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from improv.clock import now as clock
from improv.events import PITCHES
from improv.play.gate import Action, Gate
from improv.play.schedule import Send
from improv.ports.link import (
    Extend,
    Flush,
    FromPorts,
    Hello,
    Lead,
    Listen,
    Panic,
    Plan,
    PortState,
    Retime,
    Role,
    Sent,
    ToPorts,
    Welcome,
    Wish,
)
from improv.ports.memory import Memory
from improv.ports.server import Caller

BEAT = 0.25  # seconds between heartbeats
BURST, PAUSE = 64, 0.008  # synthesizers and drivers lose more than this many messages at once
INBOX = 8192  # a flood beyond this is lost, and counted

_REST = 1.0  # seconds in which nothing is due: time to collect garbage
_GARBAGE = 5000
_SYSTEM = 0xF0  # status bytes from here on are no channel's: our clock

Output = Callable[[bytes], object]
Call = Callable[[], object]

_log = logging.getLogger(__name__)


class Loop:
    """Runs the gate. `hear` and `call` are for any thread; everything else happens on the deadline thread."""

    def __init__(self, gate: Gate, memory: Memory, epoch: int, beat: Call) -> None:
        self._gate = gate
        self._memory = memory
        self._epoch = epoch
        self._beat = beat
        self._inbox: deque[tuple[float, str, bytes] | Call] = deque()
        self._wake = threading.Lock()  # locked: nothing new
        self._running = True
        self._output: Output | None = None
        self._unsent: list[bytes] = []  # offs that the driver refused
        self._brain: Caller | None = None
        self._outputs: list[Caller] = []
        self._software: dict[Caller, str] = {}  # players in software, and their ports' names
        self._state = PortState("none", (), ("", False))
        self.lost = 0  # input messages that found the inbox full

    # ---- any thread ---------------------------------------------------------------------------

    def hear(self, at: float, port: str, data: bytes) -> None:
        """Hand over one MIDI message, stamped `at`. Never blocks, never raises: drivers call it."""
        if len(self._inbox) < INBOX:
            self._inbox.append((at, port, data))
        else:
            self.lost += 1
        self._signal()

    def call(self, what: Call) -> None:
        """Have `what` called on the deadline thread, after all that came before."""
        self._inbox.append(what)
        self._signal()

    def _signal(self) -> None:
        with contextlib.suppress(RuntimeError):  # already awake
            self._wake.release()

    # ---- the deadline thread ------------------------------------------------------------------

    def run(self) -> None:
        """Do everything when it is due, until `stop`."""
        next_beat = clock()
        while self._running:
            for _ in range(len(self._inbox)):
                try:
                    self._take(self._inbox.popleft())
                except Exception:  # noqa: BLE001  (a strange plan: what sounds must end all the same)
                    _log.exception("something could not be done")
            now = clock()
            if self._gate.next_due() <= now:
                self._perform(self._gate.pop_due(now))
            if now >= next_beat:
                next_beat = now + BEAT
                self._beat()
                self._collect(now)
            wait = min(self._gate.next_due(), next_beat) - clock()
            if wait > 0:
                self._wake.acquire(timeout=wait)

    def open_output(self, output: Output) -> None:
        """Send to `output` from now on: first what is owed, then our set-up."""
        self._output = output
        unsent, self._unsent = self._unsent, []
        for data in unsent:
            self._send(data)
        self.greet()

    def send_again(self, offs: list[bytes]) -> None:
        """Repeat offs that may not have arrived. A repeated off hurts nobody, unless the note sounds again."""
        sounding = self._memory.ledger.owed()
        self._perform([Send(0, clock(), data) for data in offs if data not in sounding])

    def greet(self) -> None:
        """Send our set-up: somebody new listens."""
        if self._output:
            self._perform(self._gate.output_back(clock()))

    def close_output(self) -> None:
        """Send nowhere from now on: the output is gone."""
        self._output = None
        self._perform(self._gate.output_lost(clock()))

    def lose_port(self, port: str) -> None:
        """Release what was held at `port`: its player is gone."""
        self._perform(self._gate.port_lost(clock(), port))

    def panic(self) -> None:
        """Silence our channels. Paced."""
        self._perform(self._gate.panic(clock()))

    def report(self, state: PortState) -> None:
        """Tell the brain how the ports are."""
        self._state = state
        if self._brain:
            self._brain.send(self._port_state())

    def stop(self) -> None:
        """Leave `run`, and stop whoever follows our clock."""
        self._perform(self._gate.lead(clock(), Lead(None, running=False)))
        self._running = False

    def attach(self, caller: Caller) -> None:
        """Take up a caller who has said hello."""
        hello: Hello = caller.hello
        caller.send(Welcome(self._epoch, self._gate.seq))
        if hello.role is Role.OUTPUT:
            self._outputs.append(caller)
        elif hello.role is Role.INPUT:
            self._software[caller] = self._free_name(hello.name or "software")
            self.report(self._state)
        elif hello.role is Role.BRAIN:
            if self._brain:
                old, self._brain = self._brain, None
                old.close()
                self._perform(self._gate.flush(clock()))
            self._perform(self._gate.listen(clock(), 0, PITCHES - 1))  # nobody hears of it: every brain begins so
            for heard in self._gate.since(hello.after_seq):
                caller.send(heard)
            self._brain = caller
            self.report(self._state)

    def detach(self, caller: Caller) -> None:
        """Let go of a caller who has hung up. Owed offs leave at once if it was the brain."""
        if caller is self._brain:
            self._brain = None
            self._perform(self._gate.flush(clock()))
        elif caller in self._software:
            self.lose_port(self._software.pop(caller))
            self.report(self._state)
        elif caller in self._outputs:
            self._outputs.remove(caller)

    def obey(self, caller: Caller, message: ToPorts) -> None:
        """Do what a caller asks. A brain that has been replaced is not listened to."""
        if isinstance(message, Panic):
            self.panic()
        elif isinstance(message, Wish) and caller.hello.role is Role.REMOTE:
            self._perform(self._gate.wish(clock(), message))
        elif caller is self._brain:
            self._perform(self._obey_brain(message))

    def _obey_brain(self, message: ToPorts) -> list[Action]:
        now, gate = clock(), self._gate
        match message:
            case Plan():
                return gate.plan(now, message)
            case Extend():
                return gate.extend(now, message)
            case Flush(how):
                return gate.flush(now, how)
            case Retime(before, after):
                return gate.retime(now, before, after)
            case Listen(lowest, highest):
                return gate.listen(now, lowest, highest)
            case Lead():
                return gate.lead(now, message)
        return []

    def play(self, caller: Caller, at: float, data: bytes) -> None:
        """Hear a player in software."""
        if caller in self._software:
            self._perform(self._gate.receive(at, self._software[caller], data))

    def _take(self, entry: tuple[float, str, bytes] | Call) -> None:
        if isinstance(entry, tuple):
            self._perform(self._gate.receive(*entry))
        else:
            entry()

    def _perform(self, actions: list[Action]) -> None:
        """Send first, tell after: the link must not delay a note."""
        self._memory.seq = self._gate.seq
        told: list[FromPorts] = []
        sent = 0
        for action in actions:
            if isinstance(action, Send):
                if sent and sent % BURST == 0:
                    time.sleep(PAUSE)
                sent += 1
                self._send(action.data)
                told.append(Sent(action.turn, action.due, clock(), action.data))
            else:
                told.append(action)
        for message in told:
            if not isinstance(message, Sent):
                if self._brain:
                    self._brain.send(message)
                continue
            if self._brain and message.data[0] < _SYSTEM:
                self._brain.send(message)
            for caller in self._outputs:
                caller.send(message)

    def _send(self, data: bytes) -> None:
        ledger = self._memory.ledger
        ledger.leaving(data)
        if self._output:
            try:
                self._output(data)
            except Exception:  # noqa: BLE001  (whatever a driver raises, the jam goes on)
                _log.exception("the driver refused a message")
                if data[0] & 0xF0 == 0x80:
                    self._unsent.append(data)
                return
        ledger.left(data)

    def _port_state(self) -> PortState:
        software = tuple((name, True) for name in self._software.values())
        return replace(self._state, inputs=self._state.inputs + software)

    def _free_name(self, name: str) -> str:
        taken = {*self._software.values(), *(port for port, _ in self._state.inputs)}
        names = (name, *(f"{name} {number}" for number in range(2, len(taken) + 3)))
        return next(each for each in names if each not in taken)

    def _collect(self, now: float) -> None:
        if gc.get_count()[0] > _GARBAGE and self._gate.rests_until() > now + _REST:
            gc.collect()
