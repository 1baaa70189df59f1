import asyncio
import random
import selectors
from collections import Counter
from math import inf

import pytest

from improv import clock
from improv.brain import Brain
from improv.console import Console
from improv.control.table import table
from improv.edits import Edit
from improv.events import (
    CLOCK,
    CONTINUE,
    START,
    STOP,
    ControlChange,
    NoteOff,
    NoteOn,
    ProgramChange,
    Realtime,
    SongPosition,
    encode,
)
from improv.musician import Manner, Musician
from improv.play.gate import Gate, policy_of
from improv.play.schedule import Send
from improv.ports.link import Extend, Flush, Lead, Listen, Panic, Plan, Retime, Sent, Welcome
from improv.sessions.journal import Journal
from improv.settings import Pedals, Preset, Settings
from improv.steering import Steering
from tests.parrot import Parrot

CHANGES = 10_000
SETTINGS = Settings(
    presets=(
        Preset(1, "", (("mode", "duet"), ("level", 0.6))),
        Preset(2, "", (("mode", "trade"), ("trade_bars", 1), ("tempo", "internal"))),
        Preset(3, "", (("mode", "solo"), ("transpose", -12))),
    ),
    pedals=Pedals(sustain="hold", soft="take_over"),
)
TEMPI = ("auto", "clock", "internal", "playing", "free")


class Instant(selectors.DefaultSelector):
    """Time that passes when everybody waits, and at once: the clock of an event loop that is simulated."""

    now = 1000.0

    def select(self, timeout=None):
        self.now += timeout or 0.0
        return super().select(0)


class Troubled(Console):
    """A console that keeps its troubles."""

    def __init__(self) -> None:
        super().__init__(quiet=True)
        self.troubles: list[str] = []

    def trouble(self, text: str) -> None:
        self.troubles.append(text)


class Stage:
    """The ports process without its process: a gate, whose word arrives a moment later, as it does live."""

    last_seq = 0

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.gate = Gate(policy_of(SETTINGS.ports, SETTINGS.barge_in))
        self.sounding: Counter[tuple[int, int]] = Counter()
        self.turns: set[int] = set()
        self.console = Troubled()
        self._loop = loop
        self._alarm: asyncio.TimerHandle | None = None
        self.brain = Brain(
            Musician(Parrot(), Manner.of(SETTINGS), 1), self, Journal(None, on_trouble=pytest.fail), self.console
        )
        self.steering = Steering(self.brain, self, self.console, SETTINGS)
        self.gate.output_back(loop.time())
        self.steering.receive(Welcome(1, 0))

    def send(self, message) -> None:
        self._loop.call_later(0.001, self._take, message)

    def play(self, *events) -> None:
        """Have the player, or a sequencer, send something."""
        for event in events:
            self._tell(self.gate.receive(self._loop.time(), "in", encode(event)))

    def wish(self, name: str, value: str) -> None:
        """Ask for something from a command line."""
        self._tell(self.gate.wish(self._loop.time(), _Wish(name, value)))

    def _take(self, message) -> None:
        now, gate = self._loop.time(), self.gate
        match message:
            case Plan():
                self._tell(gate.plan(now, message))
            case Extend():
                self._tell(gate.extend(now, message))
            case Flush(how):
                self._tell(gate.flush(now, how))
            case Retime(before, after):
                self._tell(gate.retime(now, before, after))
            case Listen(lowest, highest):
                self._tell(gate.listen(now, lowest, highest))
            case Lead():
                self._tell(gate.lead(now, message))
            case Panic():
                self._tell(gate.panic(now))

    def _tell(self, actions) -> None:
        now = self._loop.time()
        for action in actions:
            if not isinstance(action, Send):
                self._loop.call_soon(self.steering.receive, action)
            elif action.data[0] < CLOCK:
                kind, key = action.data[0] & 0xF0, (action.data[0] & 0x0F, action.data[1])
                if kind in {0x80, 0x90}:
                    self.sounding[key] += 1 if kind == 0x90 else -1
                    assert self.sounding[key] >= 0
                    self.turns.add(action.turn)
                self._loop.call_soon(self.steering.receive, Sent(action.turn, action.due, now, action.data))
        if self._alarm is not None:
            self._alarm.cancel()
        due = self.gate.next_due()
        self._alarm = None if due == inf else self._loop.call_at(due, self._pop)

    def _pop(self) -> None:
        self._tell(self.gate.pop_due(self._loop.time()))


class _Wish:
    def __init__(self, name: str, value: str) -> None:
        self.name, self.value = name, value


def change(stage: Stage, dice: random.Random) -> None:
    """Change something, or play something."""
    rows = list(table().values())
    match dice.choices(["note", "knob", "mode", "tempo", "preset", "clock", "edit", "pedal"], [6, 3, 2, 1, 1, 3, 1, 1]):
        case ["note"]:
            pitch = dice.randint(40, 80)
            stage.play(dice.choice([NoteOn(pitch, dice.choice([5, 60, 100])), NoteOff(pitch)]))
        case ["knob"]:
            row = dice.choice(rows)
            stage.play(*(ControlChange(row.cc, dice.choice([0, 30, 64, 100, 127])) for _ in range(2)))
        case ["mode"]:
            stage.wish("mode", dice.choice(table()["mode"].choices))
            stage.wish("mute", dice.choice(["on"] + ["off"] * 9))
        case ["tempo"]:
            stage.wish("tempo", dice.choice(TEMPI))
            stage.wish("bpm", str(dice.uniform(40, 240)))
        case ["preset"]:
            stage.play(ProgramChange(dice.randrange(4)))
        case ["clock"]:
            kind = dice.choice([CLOCK] * 8 + [START, CONTINUE, STOP])
            stage.play(SongPosition(dice.randrange(64)) if dice.random() < 0.1 else Realtime(kind))
        case ["edit"]:
            stage.steering.edited(Edit(SETTINGS, controls=(("density", dice.uniform(0.25, 4)), ("mode", "answer"))))
        case ["pedal"]:
            stage.play(ControlChange(dice.choice([64, 66, 67]), dice.choice([0, 0, 127])))


async def jam(stage: Stage, dice: random.Random) -> None:
    """Change much, at moments of all kinds; then stop."""
    for _ in range(CHANGES):
        rests = dice.random() < 0.02
        await asyncio.sleep(dice.uniform(0.5, 2.5) if rests else dice.choice([0.0, 0.001, 0.02, 0.02, 0.05, 0.1]))
        change(stage, dice)
    stage.steering.stop()
    stage.brain.stop()
    await asyncio.wait_for(stage.brain.silent.wait(), 1.0)


def test_after_ten_thousand_changes_at_random_moments_nothing_has_failed_and_no_note_off_is_owed(monkeypatch):
    selector = Instant()
    loop = asyncio.SelectorEventLoop(selector)
    monkeypatch.setattr(loop, "time", lambda: selector.now)
    monkeypatch.setattr(clock, "now", loop.time)
    failures = []
    loop.set_exception_handler(lambda _, context: failures.append(context))

    async def play() -> Stage:
        stage = Stage(loop)
        await jam(stage, random.Random(1))
        return stage

    try:
        stage = loop.run_until_complete(play())
    finally:
        loop.close()
    assert not failures
    assert not stage.console.troubles
    assert len(stage.turns) > 50
    assert not +stage.sounding
