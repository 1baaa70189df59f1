"""Run a session again from its journal: the same musician and the same gate, without a clock, a port or a thread."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import zip_longest
from math import inf

from improv.errors import ModelError
from improv.events import decode
from improv.musician import Manner, Musician
from improv.play.gate import Action, Gate, policy_of
from improv.play.schedule import Send
from improv.play.turns import timed
from improv.ports.link import Accepted, Heard, Plan, Sent, Silenced, Silencing, TimedBytes, Yielded
from improv.predict import engines
from improv.predict.engine import Engine
from improv.predict.weights import find, load
from improv.sessions.journal import Session
from improv.sessions.records import Opening, Planned, Released, Restarted


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


class _Rerun:
    def __init__(self, session: Session, engine_of: Callable[[Opening], Engine]) -> None:
        opening = session.require_opening()
        settings = opening.settings
        self._session = session
        self._policy = policy_of(settings.ports, settings.barge_in)
        self._channel = settings.ports.output_channel - 1
        self._musician = Musician(engine_of(opening), Manner.of(settings), opening.seed)
        self._gate = self._new_gate(next((heard.seq for heard in session.of(Heard)), 1) - 1)
        accepted = {record.turn for record in session.of(Accepted)}
        self._planned = {record.turn: record for record in session.of(Planned) if record.turn in accepted}
        self._plans: dict[int, Plan] = {}
        self._recalled: list[int] = []
        self._elsewhere: list[int] = []
        self._last = -inf  # when the last message left, as recorded

    def run(self) -> Replay:
        sent: list[TimedBytes] = []
        for record in self._session.records:
            sent += ((send.due, send.data) for send in self._relive(record))
            self._think()
        sent += ((send.due, send.data) for send in _sends(self._gate.play_until(inf)))
        recorded = tuple((record.due, record.data) for record in self._session.of(Sent) if record.turn)
        return Replay(tuple(sent), recorded, tuple(self._recalled), tuple(self._elsewhere))

    def _relive(self, record: object) -> list[Send]:
        gate = self._gate
        match record:
            case Heard(seq, at, port, data):
                event = decode(data)
                gate.skip_to(seq - 1)  # the journal keeps few of the clock's messages
                if event is not None:
                    self._musician.feed(at, port, event)
                return _sends(gate.play_until(at) + gate.receive(at, port, data))
            case Sent(_, due):
                self._last = max(self._last, due)
            case Yielded(_, _, at):
                self._musician.settle(at)
            case Accepted(turn, at) if turn in self._plans:
                return _sends(gate.play_until(at) + gate.plan(at, self._plans[turn]))
            case Silenced(at, how):
                silence = {
                    Silencing.FLUSH: gate.flush,
                    Silencing.PANIC: gate.panic,
                    Silencing.OUTPUT_LOST: gate.output_lost,
                }[how]
                return _sends(gate.play_until(at) + silence(at))
            case Released(at):
                self._musician.release_all(at)
                return self._give_up()
            case Restarted():
                return self._give_up()
        return []

    def _give_up(self) -> list[Send]:
        """Let what was under way end where the record ends: who would have told of the rest was dead."""
        sends = _sends(self._gate.play_until(self._last))
        self._gate = self._new_gate(self._gate.seq)
        return sends

    def _new_gate(self, seq: int) -> Gate:
        return Gate(self._policy, seq=seq)

    def _think(self) -> None:
        """Write the answers to the window as it is now that were played, once each."""
        for turn, planned in self._planned.items():
            if turn not in self._plans and planned.revision == self._musician.revision:
                self._plans[turn] = self._plan(planned)

    def _plan(self, planned: Planned) -> Plan:
        if planned.engine != "numpy":
            # The same notes, but for the last bits of their times.
            self._elsewhere.append(planned.turn)
            return planned.plan
        answer, deadline = self._musician.answer(), self._musician.deadline
        if answer is not None and deadline is not None:
            plan = Plan(planned.turn, planned.basis, timed(answer, deadline + planned.shift, self._channel))
            if plan == planned.plan:
                return plan
        self._recalled.append(planned.turn)
        return planned.plan


def _sends(actions: list[Action]) -> list[Send]:
    return [action for action in actions if isinstance(action, Send) and action.turn]
