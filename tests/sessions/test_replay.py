import random
from dataclasses import replace as altered
from pathlib import Path

import numpy as np
import pytest

from improv.errors import SessionError
from improv.events import ControlChange, NoteOff, NoteOn, decode, encode
from improv.musician import Manner, Musician
from improv.play.gate import Action, Gate, policy_of
from improv.play.schedule import Send
from improv.play.turns import timed
from improv.ports.link import Accepted, Heard, Plan, Sent, Silenced, TimedBytes
from improv.predict.engine import Engine
from improv.predict.engines import engine_of as engine_in
from improv.predict.weights import find, load
from improv.sessions.journal import Session
from improv.sessions.records import Opening, Planned, Record
from improv.sessions.replay import engine_of, replay
from improv.settings import Controls, Settings
from tests.parrot import Parrot

SETTINGS = Settings()
THINKING_S = 0.03


def opening() -> Opening:
    return Opening("0", "2026-01-01T00:00:00", 0.0, 1, "parrot", "0" * 64, SETTINGS)


def jam(events: list[TimedBytes], engine: Engine, silence: str | None = None) -> Session:
    """Play a jam as gate and brain do it live, on a clock of our own, and keep its journal."""
    gate = Gate(policy_of(SETTINGS.ports, SETTINGS.barge_in))
    musician = Musician(engine, Manner.of(SETTINGS), seed=1)
    records: list[Record] = [opening()]
    turn = 0

    def keep(actions: list[Action]) -> None:
        for action in actions:
            if isinstance(action, Send):
                records.append(Sent(action.turn, action.due, action.due + 0.0002, action.data))
            else:
                records.append(action)

    thought = -1
    for place, (at, data) in enumerate(events):
        keep(gate.play_until(at))
        keep(gate.receive(at, "in", data))
        musician.feed(at, "in", decode(data))
        until = events[place + 1][0] if place + 1 < len(events) else at + 60.0
        if musician.revision != thought and until - at > THINKING_S and musician.deadline is not None:
            thought, turn = musician.revision, turn + 1
            answer = musician.answer()
            plan = Plan(turn, gate.seq, timed(answer, musician.deadline, 0))
            taken = gate.play_until(at + THINKING_S) + gate.plan(at + THINKING_S, plan)
            if any(isinstance(action, Accepted) for action in taken):
                records.append(Planned(turn, plan.basis, 0.0, answer.revision, answer.number, plan.events))
            keep(taken)
    if silence:
        # In the middle of the last answer.
        at = gate.next_due() + 0.5
        keep(gate.play_until(at))
        keep(getattr(gate, silence)(at))
    keep(gate.play_until(1e6))
    return Session(Path("test.jsonl"), tuple(records))


@pytest.mark.parametrize("how", ["flush", "panic", "output_lost"])
def test_an_answer_that_was_silenced_is_silenced_again(how):
    session = jam(performance(4), Parrot(), silence=how)
    again = replay(session, lambda _: Parrot())
    assert again.is_identical
    assert any(isinstance(record, Silenced) for record in session.records)


def performance(seed: int) -> list[TimedBytes]:
    """Return phrases with pauses, some of them too short for an answer to be heard out."""
    dice, at, events = random.Random(seed), 1.0, []
    for _ in range(8):
        for _ in range(dice.randint(1, 9)):
            pitch, length = dice.randint(40, 80), dice.uniform(0.05, 0.4)
            velocity = dice.choice([5, 60, 100])
            events += [(at, encode(NoteOn(pitch, velocity))), (at + length, encode(NoteOff(pitch)))]
            at += dice.uniform(0.05, 0.5)
        if dice.random() < 0.3:
            events.append((at, encode(ControlChange(64, dice.choice([0, 127])))))
        at += dice.uniform(0.5, 6.0)
    return sorted(events)


@pytest.mark.parametrize("seed", range(10))
def test_a_replay_sends_the_same_bytes_at_the_same_times(seed):
    session = jam(performance(seed), Parrot())
    again = replay(session, lambda _: Parrot())
    assert again.is_identical
    assert again.first_difference is None
    assert not again.recalled
    assert len(again.sent) > 20


def test_another_engine_recalls_what_was_decided():
    session = jam(performance(1), Parrot())
    again = replay(session, lambda _: Parrot(velocity=99.0))
    assert again.is_identical
    assert again.recalled


def test_what_another_engine_answered_is_replayed_as_it_was_recorded():
    session = jam(performance(1), Parrot(velocity=99.0))
    by_keras = [altered(each, engine="keras") if isinstance(each, Planned) else each for each in session.records]
    again = replay(altered(session, records=tuple(by_keras)), lambda _: Parrot())
    assert again.is_identical
    assert not again.recalled
    assert again.elsewhere == tuple(each.turn for each in session.records if isinstance(each, Planned))


def test_a_journal_that_was_tampered_with_differs():
    session = jam(performance(2), Parrot())
    place, sent = next((place, each) for place, each in enumerate(session.records) if isinstance(each, Sent))
    records = list(session.records)
    records[place] = altered(sent, data=b"\x90\x01\x01")
    again = replay(altered(session, records=tuple(records)), lambda _: Parrot())
    assert not again.is_identical
    assert again.first_difference == 0


def test_a_session_is_replayed_in_the_style_that_it_was_played_in():
    weights = load(find("lstm"))
    style, heard = weights.card.styles[-1], np.array([[60, 0, 0.2, 80]], np.float32)
    settings = altered(SETTINGS, controls=Controls(style=style))
    engine = engine_of(altered(opening(), settings=settings, hash=weights.hash))
    assert np.array_equal(engine.prime(heard).hidden, engine_in(weights, style).prime(heard).hidden)
    assert not np.array_equal(engine.prime(heard).hidden, engine_in(weights).prime(heard).hidden)


def test_a_journal_without_its_opening_cannot_be_replayed():
    with pytest.raises(SessionError, match="its beginning"):
        replay(Session(Path("x.jsonl"), (Heard(1, 0.0, "in", b"\x90\x3c\x40"),)), lambda _: Parrot())
