"""The brain's mind: hears what the ports process tells, thinks, proposes what is to be played, and keeps the journal.

Everything here runs on the event loop of `daemon`, which wires it.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from improv import clock
from improv.beat import Grid
from improv.console import Console, keep_traceback
from improv.engine.client import NAME
from improv.events import CLOCK, Note, NoteOff, NoteOn, decode, encode
from improv.musician import Musician, Question
from improv.play.modes import Cue, Leaving, lateness, moved
from improv.play.planner import Brief
from improv.play.turns import LEAD_S, Answer, timed
from improv.ports.link import (
    Accepted,
    Extended,
    Flush,
    FromPorts,
    Heard,
    Listen,
    Panic,
    PortState,
    Refused,
    Retime,
    Sent,
    Silenced,
    Silencing,
    ToPorts,
    Welcome,
    Yielded,
)
from improv.sessions.journal import Journal
from improv.sessions.records import Acted, Beat, Planned, Released, Steered
from improv.sessions.relive import relive
from improv.settings import Controls

# While a key is held the phrase is hardly over: think only once the player rests on it.
HELD_PATIENCE_S = 0.25
CLOCKS_A_BEAT = 24
OURS = "numpy"
_NOTHING = (-1, -1, None)
# What becomes of what sounds when something is done.
_SILENCING = {"yield_now": Silencing.YIELD, "hold": Silencing.DROP}
# A count-in, on the synthesizer that is there.
_CLICK, _CLICK_VELOCITY, _CLICK_S = 84, 70, 0.05
# The memory learns so many notes (half a millisecond each) before anything else has its turn, and pauses (seconds).
_LEARNED_AT_ONCE, _IDLE_S = 16, 0.02
# The player rests this long (seconds) before more than one answer is written.
_REST_S = 0.1
# A plan that was refused because something sounds is proposed again after so long (seconds).
_AGAIN_S = 0.25
# Turns that were proposed and never played are remembered this long.
_PROPOSALS_KEPT = 4


class Line(Protocol):
    """The way to the ports process. `last_seq`: the number of the last event that came in by it."""

    last_seq: int

    def send(self, message: ToPorts) -> None:
        """Send `message` if the line is up. Never raises."""


@dataclass(slots=True)
class _Part:
    """Something that was proposed: a turn, or more of one."""

    planned: Planned
    cue: Cue
    answer: Answer


@dataclass(slots=True)
class _Turn:
    """A turn that was proposed, and what has become of it."""

    part: _Part
    notes: int = 0
    left: int = 0
    first: float = 0.0


class Brain:
    """Hear, think, propose; keep the journal.

    `ask_other` passes what is asked on to another engine, if there is one; what that writes comes in by
    `take`, if it comes. The answer of our own lies ready whatever becomes of it: the best of up to `candidates`.
    """

    def __init__(
        self,
        musician: Musician,
        link: Line,
        journal: Journal,
        console: Console,
        ask_other: Callable[[Sequence[Note], Brief], None] | None = None,
        candidates: int = 1,
    ) -> None:
        self.musician = musician
        self._style = musician.controls.style  # that of the other engine, which knows no other
        self._candidates = candidates
        self._ask_other = ask_other
        self._link = link
        self._journal = journal
        self._console = console
        self._basis = 0
        self._turns: dict[int, _Turn] = {}
        self._extension: tuple[int, _Part] | None = None  # sent, and not yet taken over
        self._last_turn = 0
        self._proposed: tuple[object, ...] = _NOTHING
        self._backlog = 0
        self._ticks = 0
        self._is_restored = False
        self._thinking: asyncio.Task[None] | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._sounding: set[bytes] = set()
        self._is_degraded = False
        self._taken: Answer | None = None
        self._asked: Question | None = None
        self.silent = asyncio.Event()
        self.silent.set()

    # ---- what comes in ------------------------------------------------------------------------

    def receive(self, message: FromPorts) -> None:
        """Take one message of the ports process."""
        self._record(message)
        match message:
            case Heard():
                self._heard(message)
            case Yielded(turn, _, at):
                self.musician.settle(at)
                self.musician.over(turn, at)
                if not self._close(turn, at, cut=True):
                    self._proposed = _NOTHING  # it was dropped before it began: there may still be something to say
            case Sent():
                self._sent(message)
            case Accepted(turn, at):
                self._accepted(turn, at)
            case Extended(turn, at):
                self._extended(turn, at)
            case Silenced(at, how):
                self._silenced(at, how)
            case Refused(turn):
                self._refused(turn)
            case PortState():
                self._console.ports(message)
            case Welcome(_, seq):
                self._backlog = seq
                # What was proposed while the line was down has not arrived.
                self._proposed, self._extension = _NOTHING, None
                self._link.send(Listen(*self.musician.hears))
        self.think_again()

    def restore(self, records: list[Heard | Released | Steered | Beat | Acted], last_turn: int) -> None:
        """Hear again what was heard before a restart; what has had its answer, or its moment, gets none."""
        for record in records:
            match record:
                case Heard(seq, at, port, data):
                    self._basis = self._link.last_seq = seq
                    self._hear(at, port, data)
                case Released() | Steered() | Beat() | Acted():
                    relive(self.musician, record)
        self._last_turn = last_turn
        self._is_restored = True
        self.musician.leave_what_is_over(clock.now())

    def ports_lost(self) -> None:
        """Let go of all held keys: the ports process has gone, and nobody will tell of their release."""
        at = clock.now()
        self._relive(Released(at))
        self.musician.over_all(at)
        self._turns.clear()
        self._extension = None
        self._sounding.clear()
        self.silent.set()
        self._proposed = _NOTHING

    def stop(self) -> None:
        """Stop thinking and end what sounds."""
        if self._thinking is not None:
            self._thinking.cancel()
        for timer in (self._alarm, self._idle):
            if timer is not None:
                timer.cancel()
        self.silent.clear()  # until the ports process has said so
        self._link.send(Flush())

    # ---- what is asked of it ------------------------------------------------------------------

    def steer(self, controls: Controls) -> None:
        """Play with other controls from now on."""
        before = self.musician.controls
        if controls == before:
            return
        leaving = self._relive(Steered.between(clock.now(), before, controls))
        if controls.mute:
            self._link.send(Flush(Silencing.YIELD))
        elif leaving is Leaving.DROP:
            self._link.send(Flush(Silencing.DROP))
        self._link.send(Listen(*self.musician.hears))
        self._proposed = _NOTHING
        self.think_again()

    def beat(self, grid: Grid | None) -> None:
        """Hear where the beat is now."""
        before = self.musician.grid
        if grid == before:
            return
        self._relive(Beat(clock.now(), grid))
        if before is not None and grid is not None and self._turns:
            self._link.send(Retime(before.counted_as(grid), grid))
        self.think_again()

    def act(self, name: str, beat: float | None = None) -> None:
        """Do something once: see `relive`."""
        self._relive(Acted(clock.now(), name, beat))
        if name in _SILENCING:
            self._link.send(Flush(_SILENCING[name]))
        self._proposed = _NOTHING
        self.think_again()

    def panic(self) -> None:
        """Silence everything of ours, and leave it to the player."""
        self._link.send(Panic())
        self._relive(Acted(clock.now(), "yield_now"))

    def count_in(self, grid: Grid, beats: int) -> None:
        """Play a click on each of the `beats` before beat 0, higher on the first."""
        clicks = [
            (grid.time_at(beat - beats), NoteOn(_CLICK + 12 * (beat == 0), _CLICK_VELOCITY)) for beat in range(beats)
        ]
        notes = [(at, encode(on)) for at, on in clicks] + [
            (at + _CLICK_S, encode(NoteOff(on.pitch))) for at, on in clicks
        ]
        self._last_turn += 1
        start = grid.time_at(-beats)
        planned = Planned(
            self._last_turn,
            self._basis,
            start,
            self.musician.revision,
            0,
            tuple(sorted(notes)),
            "count-in",
            yields=False,
        )
        self._turns[self._last_turn] = _Turn(_Part(planned, Cue(0, start, 0.0), Answer(0, 0, ())), left=len(notes))
        self._link.send(planned.message)

    # ---- in detail ----------------------------------------------------------------------------

    def _relive(self, record: "Released | Steered | Beat | Acted") -> Leaving | None:
        self._journal.write(record)
        return relive(self.musician, record)

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
                self._journal.write(self._turns[turn].part.planned)
            case Extended(turn) if self._extension is not None and self._extension[0] == turn:
                self._journal.write(self._extension[1].planned)
        self._journal.write(message)

    def _heard(self, heard: Heard) -> None:
        self._basis = heard.seq
        self._hear(heard.at, heard.port, heard.data)
        if self._is_restored and heard.seq >= self._backlog:
            self._is_restored = False
            self.musician.leave_what_is_over(clock.now())

    def _hear(self, at: float, port: str, data: bytes) -> None:
        event = decode(data)
        if event is not None:
            self.musician.feed(at, port, event)

    def _accepted(self, number: int, at: float) -> None:
        turn = self._turns.get(number)
        if turn is not None:
            part = turn.part
            self.musician.accepted(number, at, part.cue, part.answer, part.planned.start)

    def _extended(self, number: int, at: float) -> None:
        extension, self._extension = self._extension, None
        if extension is None or extension[0] != number:
            return
        part = extension[1]
        self.musician.accepted(number, at, part.cue, part.answer, part.planned.start)
        if number in self._turns:
            self._turns[number].left += len(part.planned.events)

    def _refused(self, number: int) -> None:
        if self._extension is not None and self._extension[0] == number:
            self._extension = None
            self.musician.over(number, clock.now())
            self._proposed = _NOTHING
            return
        refused = self._turns.pop(number, None)
        if refused is None:
            return
        if refused.part.planned.basis != self._basis:
            self._proposed = _NOTHING
        elif (refused.part.cue.streams and self._sounding) or (
            not refused.part.planned.yields and refused.part.planned.start > clock.now() + _AGAIN_S
        ):
            asyncio.get_running_loop().call_later(_AGAIN_S, self._propose_again)

    def _propose_again(self) -> None:
        self._proposed = _NOTHING
        self.think_again()

    def _silenced(self, at: float, how: Silencing) -> None:
        self.musician.over_all(at)
        if how is not Silencing.DROP:
            for number in list(self._turns):
                self._close(number, at, cut=True)
        self._extension = None
        self._proposed = _NOTHING
        if how is Silencing.OUTPUT_LOST:
            self._sounding.clear()
        if not self._sounding:
            self.silent.set()

    def think_again(self) -> None:
        """Start on what is to be played next, if that has changed since the last time."""
        if self._basis < self._backlog or self._extension is not None:
            return
        now = clock.now()
        cue = self.musician.cue(now)
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        self._learn_idly()
        if cue is None:
            return
        if cue.ask_at > now:
            self._alarm = asyncio.get_running_loop().call_later(cue.ask_at - now, self.think_again)
            return
        grid = self.musician.grid
        line = cue.start if grid is None else round(grid.beat_at(cue.start), 2)
        if grid is None and cue.streams:
            line = round(line, 1)  # a stream that begins as soon as it can need not be written anew all the while
        wanted = (self.musician.news, cue.number, line)
        if wanted == self._proposed:
            return
        if self._thinking is not None:
            self._thinking.cancel()
        self._proposed = wanted
        self._thinking = asyncio.create_task(self._think(cue, grid))

    def _learn_idly(self) -> None:
        """Learn, a little at a time, what nobody has asked for: the machine listens for an hour, or was born again."""
        if self._idle is None and self.musician.behind > _LEARNED_AT_ONCE:
            self._idle = asyncio.get_running_loop().call_later(_IDLE_S, self._learn_some)

    def _learn_some(self) -> None:
        self._idle = None
        self.musician.learn(_LEARNED_AT_ONCE)
        self._learn_idly()

    async def _think(self, cue: Cue, grid: Grid | None) -> None:
        if self.musician.holding and not cue.streams:
            await asyncio.sleep(HELD_PATIENCE_S)
        try:
            while self.musician.behind:
                self.musician.learn(_LEARNED_AT_ONCE)
                await asyncio.sleep(0)
            cue = moved(cue, grid, self.musician.grid)
            question = self.musician.ask(cue, self.musician.grid)
            if question is None:
                return
            if self._ask_other is not None and self._may_ask(cue):
                self._asked = question
                self._ask_other(question.heard, question.brief)
            for written in self.musician.thinking(question, 1 if cue.streams else self._candidates):
                if written is not None:
                    if written.count > 1 and lateness(cue, self.musician.scene(clock.now())) != 0.0:
                        return  # what lies ready is better than what comes late
                    self._propose(moved(cue, question.grid, self.musician.grid))
                    # While the player goes on there is a new question with every note: only a rest is worth more.
                    await asyncio.sleep(_REST_S)
                elif clock.now() > cue.start - LEAD_S and self.musician.written(cue) is not None:
                    return  # what there is is being played
                else:
                    await asyncio.sleep(0)
        except Exception as error:  # noqa: BLE001 - the boundary: whatever the engine does, the jam goes on
            if not self._is_degraded:
                self._is_degraded = True
                self._console.trouble(
                    f"degraded: the model has failed, there are no answers; details in {keep_traceback(error)}"
                )

    def _may_ask(self, cue: Cue) -> bool:
        """Say whether the other engine can be asked: it plays no parts of streams, and in one style."""
        return not cue.streams and self.musician.written(cue) is None and self.musician.controls.style == self._style

    def take(self, answer: Answer) -> None:
        """Let an answer that the other engine has written be played, if it is still asked for, and in time."""
        now = clock.now()
        cue = self.musician.cue(now)
        if cue is None or cue.streams or self._asked is None or not self.musician.fits(answer, cue):
            return
        # A late answer is worse than our own, which lies there already.
        if self.musician.written(cue) is not None and lateness(cue, self.musician.scene(now)) != 0.0:
            return
        if self._thinking is not None:
            self._thinking.cancel()
        self._taken = answer
        self.musician.take(self._asked, answer)
        self._propose(cue)

    def _propose(self, cue: Cue) -> None:
        """Send what has been written for `cue`, if it is not too late."""
        written = self.musician.written(cue)
        shift = lateness(cue, self.musician.scene(clock.now()))
        if written is None or shift is None:
            return
        question, answer = written.question, written.answer
        if self._lies_ready(answer, cue.start + shift):
            return
        start = cue.start + shift
        if cue.streams and not answer.notes:
            self.musician.passed(cue, start)
            asyncio.get_running_loop().call_soon(self.think_again)
            return
        events = timed(answer, start, self.musician.voice)
        joins = self.musician.stream if cue.joins else None
        turn = self._last_turn + 1 if joins is None else joins
        grid = self.musician.grid
        planned = Planned(
            turn,
            self._basis,
            start,
            answer.revision,
            answer.number,
            events,
            NAME if answer is self._taken else OURS,
            cue.yields,
            joins is not None,
            question.cue,
            question.grid,
            None if grid is None else grid.beat_at(start),
            written.count,
        )
        part = _Part(planned, cue, answer)
        if joins is not None:
            self._extension = (turn, part)
            self._link.send(planned.message)
            return
        self._last_turn = turn
        self._turns[turn] = _Turn(part, left=len(events))
        unheard = [number for number, known in self._turns.items() if not known.notes]
        for old in unheard[:-_PROPOSALS_KEPT]:
            del self._turns[old]
        self._link.send(planned.message)

    def _lies_ready(self, answer: Answer, start: float) -> bool:
        """Say whether this very answer is the last that was proposed, for the same moment: another look at it."""
        last = self._turns.get(self._last_turn)
        return (
            last is not None
            and not last.notes
            and last.part.answer is answer
            and last.part.planned.start == start
            and last.part.planned.basis == self._basis
        )

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
                self._began(sent.turn, turn, sent.due)
            turn.notes += 1
        if turn.left <= 0 and self.musician.stream != sent.turn:
            self._close(sent.turn, sent.due, cut=False)

    def _began(self, number: int, turn: _Turn, at: float) -> None:
        turn.first = at
        self.musician.began(turn.part.cue.number)
        for earlier in [earlier for earlier in self._turns if earlier < number]:
            self._close(earlier, at, cut=False)
        call = self.musician.call
        if call is not None and turn.part.answer.notes:
            self._console.heard(call.notes, call.length)

    def _close(self, number: int, at: float, *, cut: bool) -> bool:
        """Forget a turn; return whether any of it was heard."""
        turn = self._turns.pop(number, None)
        if turn is None or not turn.notes:
            return False
        self._console.answered(turn.notes, at - turn.first, cut=cut)
        return True
