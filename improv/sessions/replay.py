"""Run a session again from its journal: the same musician and the same gate, without a clock, a port or a thread."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest
from math import inf

from improv.errors import ModelError
from improv.events import decode
from improv.musician import Manner, Musician
from improv.play.candidates import compose_many
from improv.play.gate import Action, Gate, policy_of
from improv.play.schedule import Send
from improv.play.turns import Answer, notes_of, timed
from improv.ports.link import (
    Accepted,
    Extend,
    Extended,
    Heard,
    Listening,
    Plan,
    Retimed,
    Sent,
    Silenced,
    Silencing,
    TimedBytes,
    Yielded,
)
from improv.predict import engines
from improv.predict.engine import Engine
from improv.predict.weights import find, load
from improv.sessions.journal import Session
from improv.sessions.records import Acted, Beat, Opening, Planned, Released, Restarted, Steered
from improv.sessions.relive import Happening, relive


@dataclass(frozen=True, slots=True)
class Replay:
    """A session, run again. `sent` is what left now, `recorded` what left then: (due, message).

    `recalled`: turns that this machine's engine would have played otherwise. `elsewhere`: turns that another engine
    than numpy has answered. Both are replayed as they were recorded.
    """

    sent: tuple[TimedBytes, ...]
    recorded: tuple[TimedBytes, ...]
    recalled: tuple[int, ...]
    elsewhere: tuple[int, ...] = ()

    @property
    def is_identical(self) -> bool:
        """Whether the same bytes left at the same due times."""
        return self.sent == self.recorded

    @property
    def first_difference(self) -> int | None:
        """The number (from 0) of the first message that differs."""
        pairs = zip_longest(self.sent, self.recorded)
        return next((number for number, (now, then) in enumerate(pairs) if now != then), None)


def replay(session: Session, engine_of: Callable[[Opening], Engine]) -> Replay:
    """Play `session` again with the engine that its opening names.

    Raises SessionError without an opening, and whatever `engine_of` raises.
    """
    return _Rerun(session, engine_of).run()


def engine_of(opening: Opening) -> Engine:
    """Return the engine that played a session. Raises ModelError where its model is not to be had, or is another."""
    weights = load(find(opening.settings.model.name))
    if weights.hash != opening.hash:
        raise ModelError(f"the session was played with other weights of {opening.model!r} than those here")
    return engines.engine_of(weights, opening.settings.controls.style)


@dataclass(frozen=True, slots=True)
class _Part:
    """Something that is played again: its notes, and how the gate is told of them."""

    answer: Answer
    message: Plan | Extend


class _Rerun:
    def __init__(self, session: Session, engine_of: Callable[[Opening], Engine]) -> None:
        opening = session.require_opening()
        settings = opening.settings
        self._session = session
        self._policy = policy_of(settings.ports, settings.barge_in, settings.midi.channel)
        self._new_musician = partial(Musician, engine_of(opening), Manner.of(settings), opening.seed)
        self._musician = self._new_musician()
        self._known: list[Heard | Happening] = []  # what a new brain is told of
        self._gate = self._new_gate(next((heard.seq for heard in session.of(Heard)), 1) - 1)
        self._lives = _lives(session)
        self._planned = next(self._lives)  # those to come, of the brain that lives
        self._parts: dict[int, _Part] = {}
        self._recalled: list[int] = []
        self._elsewhere: list[int] = []
        self._last = -inf  # when the last message left, as recorded

    def run(self) -> Replay:
        sent: list[TimedBytes] = []
        for record in self._session.records:
            if isinstance(record, Heard | Released | Steered | Beat | Acted):
                self._known.append(record)
            sent += ((send.due, send.data) for send in self._relive(record))
            self._think()
        sent += ((send.due, send.data) for send in _sends(self._gate.play_until(inf)))
        recorded = tuple((record.due, record.data) for record in self._session.of(Sent) if record.turn)
        return Replay(tuple(sent), recorded, tuple(self._recalled), tuple(self._elsewhere))

    def _relive(self, record: object) -> list[Send]:
        gate = self._gate
        match record:
            case Heard(seq, at, port, data):
                gate.skip_to(seq - 1)  # the journal keeps few of the clock's messages
                self._hear(record)
                return _sends(gate.play_until(at) + gate.receive(at, port, data))
            case Sent(_, due):
                self._last = max(self._last, due)
            case Yielded(turn, _, at):
                self._musician.settle(at)
                self._musician.over(turn, at)
            case Accepted() | Extended() | Silenced() | Retimed() | Listening():
                return _sends(gate.play_until(record.at) + self._done_again(record))
            case Steered() | Beat() | Acted():
                relive(self._musician, record)
            case Released(at):
                relive(self._musician, record)
                self._musician.over_all(at)
                return self._give_up()
            case Restarted():
                self._be_reborn()
                return self._give_up()
        return []

    def _hear(self, heard: Heard) -> None:
        event = decode(heard.data)
        if event is not None:
            self._musician.feed(heard.at, heard.port, event)

    def _be_reborn(self) -> None:
        """Go on as a new brain does, which knows what the journal has told it, and nothing of what was played."""
        self._musician, self._planned = self._new_musician(), next(self._lives)
        for record in self._known:
            if isinstance(record, Heard):
                self._hear(record)
            else:
                relive(self._musician, record)

    def _done_again(self, record: Accepted | Extended | Silenced | Retimed | Listening) -> list[Action]:
        """Do to the gate what was done to it, at the same moment."""
        gate = self._gate
        match record:
            case Accepted(turn, at) | Extended(turn, at):
                return self._take_over(turn, at)
            case Silenced(at, how):
                self._musician.over_all(at)
                if how is Silencing.PANIC:
                    return gate.panic(at)
                return gate.output_lost(at) if how is Silencing.OUTPUT_LOST else gate.flush(at, how)
            case Retimed(at, before, after):
                return gate.retime(at, before, after)
            case Listening(at, lowest, highest):
                return gate.listen(at, lowest, highest)
        return []

    def _take_over(self, turn: int, at: float) -> list[Action]:
        place = next((place for place, (_, planned) in enumerate(self._planned) if planned.turn == turn), None)
        if place is None:
            return []
        number, planned = self._planned.pop(place)
        part = self._parts.pop(number, None) or self._recall(planned)
        if planned.cue is not None:
            self._musician.accepted(turn, at, planned.cue, part.answer, planned.start)
        message = part.message
        return self._gate.extend(at, message) if isinstance(message, Extend) else self._gate.plan(at, message)

    def _give_up(self) -> list[Send]:
        """Let what was under way end where the record ends: who would have told of the rest was dead."""
        sends = _sends(self._gate.play_until(self._last))
        self._gate = self._new_gate(self._gate.seq)
        return sends

    def _new_gate(self, seq: int) -> Gate:
        return Gate(self._policy, seq=seq)

    def _think(self) -> None:
        """Write what was played and is thought out from what is known now, once each."""
        for number, planned in self._planned:
            if planned.revision > self._musician.revision:
                break
            if planned.revision == self._musician.revision and number not in self._parts:
                self._parts[number] = self._written(planned)

    def _written(self, planned: Planned) -> _Part:
        musician = self._musician
        if planned.engine != "numpy":
            # The same notes, but for the last bits of their times.
            self._elsewhere.append(planned.turn)
            return _recorded(planned)
        question = None if planned.cue is None else musician.ask(planned.cue, planned.grid)
        if question is not None:
            choices = compose_many(musician.engine, question.heard, question.brief, planned.count, question.recall)
            *_, choice = (choice for choice in choices if choice is not None)
            answer = choice.answer
            events = timed(answer, planned.start, musician.voice)
            if events == planned.events:
                return _Part(answer, planned.message)
        return self._recall(planned)

    def _recall(self, planned: Planned) -> _Part:
        self._recalled.append(planned.turn)
        return _recorded(planned)


def _lives(session: Session) -> Iterator[list[tuple[int, Planned]]]:
    """Yield what was planned by each brain, numbered through; revisions count anew with each."""
    life: list[tuple[int, Planned]] = []
    for number, record in enumerate(session.records):
        if isinstance(record, Restarted):
            yield life
            life = []
        elif isinstance(record, Planned):
            life.append((number, record))
    yield life


def _recorded(planned: Planned) -> _Part:
    """Return what was played, as far as its notes can be told from its messages."""
    return _Part(Answer(planned.revision, planned.number, notes_of(planned.events, planned.start)), planned.message)


def _sends(actions: list[Action]) -> list[Send]:
    return [action for action in actions if isinstance(action, Send) and action.turn]
