import random
from collections.abc import Callable
from dataclasses import replace as altered
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from improv.beat import Grid
from improv.errors import SessionError
from improv.events import ControlChange, NoteOff, NoteOn, decode, encode
from improv.musician import Manner, Musician
from improv.play.gate import Action, Gate, policy_of
from improv.play.schedule import Send
from improv.play.turns import timed
from improv.ports.link import Accepted, Extend, Heard, Refused, Sent, Silenced, Silencing, TimedBytes
from improv.predict.engine import Engine
from improv.predict.engines import engine_of as engine_in
from improv.predict.weights import find, load
from improv.sessions.journal import Session, parse
from improv.sessions.records import Opening, Planned, Record, encode_record
from improv.sessions.replay import engine_of, replay
from improv.settings import Controls, Settings
from tests.parrot import Parrot

SETTINGS = Settings()
THINKING_S = 0.03
Silence = Callable[[Gate, float], list[Action]]


def opening() -> Opening:
    return Opening("0", "2026-01-01T00:00:00", 0.0, 1, "parrot", "0" * 64, SETTINGS)


def jam(
    events: list[TimedBytes], engine: Engine, silence: Callable[[Gate, float], list[Action]] | None = None
) -> Session:
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
        received = gate.receive(at, "in", data)
        keep(received)
        for heard in received:
            if isinstance(heard, Heard):  # an echo is not
                musician.feed(heard.at, "in", decode(heard.data))
        until = events[place + 1][0] if place + 1 < len(events) else at + 60.0
        if musician.revision != thought and until - at > THINKING_S and musician.deadline is not None:
            thought, turn = musician.revision, turn + 1
            answer, cue = musician.answer(), musician.cue(at)
            events = timed(answer, cue.start, musician.voice)
            planned = Planned(turn, gate.seq, cue.start, answer.revision, answer.number, events, cue=cue)
            taken = gate.play_until(at + THINKING_S) + gate.plan(at + THINKING_S, planned.message)
            if any(isinstance(action, Accepted) for action in taken):
                records.append(planned)
            keep(taken)
    if silence:
        # In the middle of the last answer.
        at = gate.next_due() + 0.5
        keep(gate.play_until(at))
        keep(silence(gate, at))
    keep(gate.play_until(1e6))
    return Session(Path("test.jsonl"), tuple(records))


SILENCES = {
    "flush": Gate.flush,
    "yield": partial(Gate.flush, how=Silencing.YIELD),
    "drop": partial(Gate.flush, how=Silencing.DROP),
    "panic": Gate.panic,
    "output lost": Gate.output_lost,
}


@pytest.mark.parametrize("how", SILENCES)
def test_an_answer_that_was_silenced_is_silenced_again(how):
    session = jam(performance(4), Parrot(), silence=SILENCES[how])
    again = replay(session, lambda _: Parrot())
    assert again.is_identical
    assert [record.how for record in session.records if isinstance(record, Silenced)] == [how]


def stream(seed: int) -> Session:
    """Return the session of a stream, planned a beat at a time, some of them late, in a beat that moves; and a human.

    Turns that were played into, or silenced, are followed by others.
    """
    dice, gate = random.Random(seed), Gate(policy_of(SETTINGS.ports, SETTINGS.barge_in))
    records: list[Record] = [opening()]
    grid, turn, at = Grid(1.0, 0.0, 0.5), 0, 0.9

    def keep(actions: list[Action]) -> bool:
        for action in actions:
            if isinstance(action, Send):
                records.append(Sent(action.turn, action.due, action.due + 0.0002, action.data))
            elif not isinstance(action, Refused):
                records.append(action)
        return not any(isinstance(action, Refused) for action in actions)

    for _ in range(60):
        keep(gate.play_until(at))
        beats = [grid.beat_at(at) + dice.uniform(-0.5, 3.0) for _ in range(3)]
        pitch = dice.randint(60, 63)
        notes = [(grid.time_at(beat), encode(NoteOn(pitch, 70))) for beat in beats]
        notes += [(grid.time_at(beat + dice.uniform(0.1, 2.0)), encode(NoteOff(pitch))) for beat in beats]
        match dice.choice(["extend"] * 6 + ["retime", "listen", "silence", "human"]):
            case "extend" if turn and dice.random() < 0.9:
                more = Extend(turn, tuple(notes))
                actions = gate.extend(at, more)
                if not any(isinstance(action, Refused) for action in actions):
                    records.append(Planned(more.turn, 0, at, 0, 0, more.events, "keras", joins=True))
                    keep(actions)
                else:
                    turn = 0
            case "extend":
                turn = 1 + max((record.turn for record in records if isinstance(record, Planned)), default=0)
                planned = Planned(turn, gate.seq, at, 0, 0, tuple(notes), "keras", dice.random() < 0.5)
                records.append(planned)
                if not keep(gate.plan(at, planned.message)):
                    records.remove(planned)
                    turn = 0
            case "retime":
                after = Grid(at, grid.beat_at(at) + dice.uniform(-0.2, 0.2), dice.choice([0.4, 0.5, 0.7]))
                keep(gate.retime(at, grid, after))
                grid = after
            case "listen":
                keep(gate.listen(at, 60, 127))
            case "silence":
                keep(gate.flush(at, dice.choice([Silencing.FLUSH, Silencing.YIELD, Silencing.DROP])))
            case "human":
                keep(gate.receive(at, "in", encode(NoteOn(dice.randint(40, 80), 70))))
        at += dice.uniform(0.05, 0.6)
    keep(gate.play_until(1e6))
    return Session(Path("test.jsonl"), tuple(records))


@pytest.mark.parametrize("seed", range(10))
def test_a_stream_that_is_steered_is_replayed_as_it_was(seed):
    session = stream(seed)
    kept = parse(session.path, "".join(f"{encode_record(record)}\n" for record in session.records).encode())
    again = replay(kept, lambda _: Parrot())
    assert again.is_identical
    assert len(again.sent) > 20


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
