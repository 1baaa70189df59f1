from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest

from improv.events import Note
from improv.listen.phrase import Call
from improv.play.candidates import Choice, compose_many, composed
from improv.play.planner import MIN_NOTES, Brief, compose
from improv.play.scoring import likenesses, profiles
from improv.play.turns import Answer
from improv.predict.engine import Engine, Taste
from improv.predict.engines import engine_of
from improv.predict.weights import find, load
from tests.parrot import Parrot

TUNE = [Note(60 + (7 * n) % 12, 60 + n, 10 + n * 0.2, 0.15) for n in range(16)]
CALL = Call(1, TUNE[8].onset, TUNE[-1].onset + 0.15, 8, tuple(note.velocity for note in TUNE[8:]))
BRIEF = Brief(CALL, 1.0, Taste().after(0.3), 8, seed=7, revision=3)


@pytest.fixture(scope="module", params=["lstm", "tutorial"])
def engine(request):
    return engine_of(load(find(request.param)))


def chosen(engine: Engine, count: int, brief: Brief = BRIEF) -> list[Choice]:
    """Let so many candidates be written."""
    return [choice for choice in compose_many(engine, TUNE, brief, count) if choice is not None]


def written(engine: Engine, numbers, brief: Brief = BRIEF) -> list[Answer]:
    *steps, answers = composed(engine, TUNE, brief, numbers)
    assert all(step is None for step in steps)
    return answers


def one(engine: Engine, brief: Brief = BRIEF) -> Answer:
    *_, answer = compose(engine, TUNE, brief)
    return answer


@pytest.mark.parametrize("seed", range(3))
def test_the_first_candidate_is_what_compose_writes(engine, seed):
    brief = replace(BRIEF, seed=seed)
    assert written(engine, [0], brief) == [one(engine, brief)]
    assert chosen(engine, 1, brief) == [Choice(one(engine, brief), 0, 1)]
    assert next(iter(chosen(engine, 4, brief))).answer == one(engine, brief)


def test_candidates_in_step_are_those_written_one_by_one(engine):
    together = written(engine, range(12))
    alone = [written(engine, [number])[0] for number in range(12)]
    # Rows of a larger product may differ in the last digit.
    for one, other in zip(together, alone, strict=True):
        assert [note.pitch for note in one.notes] == [note.pitch for note in other.notes]
        assert [note.onset for note in one.notes] == pytest.approx([note.onset for note in other.notes], abs=1e-3)
    assert len({answer.notes for answer in together}) == 12
    assert {(answer.revision, answer.number) for answer in together} == {(BRIEF.revision, BRIEF.number)}
    assert all(len(answer.notes) >= MIN_NOTES for answer in together)


def test_one_is_ready_as_soon_as_with_compose_and_more_come(engine):
    steps = list(compose_many(engine, TUNE, BRIEF, 20))
    assert [choice.count for choice in steps if choice] == [1, 4, 16, 20]
    first = next(at for at, choice in enumerate(steps) if choice)
    assert first == len(list(compose(engine, TUNE, BRIEF))) - 1


@pytest.mark.parametrize("count", [1, 4, 16])
def test_who_stops_early_gets_the_same_again_with_its_count(engine, count):
    early = next(choice for choice in compose_many(engine, TUNE, BRIEF, 64) if choice and choice.count == count)
    assert chosen(engine, count)[-1] == early


def test_the_best_of_all_is_chosen(engine):
    choice = chosen(engine, 16)[-1]
    answers = [one(engine), *written(engine, range(1, 4)), *written(engine, range(4, 16))]
    assert answers[choice.number] == choice.answer
    own = profiles([answer.notes for answer in answers])
    scores = likenesses(own, *profiles([TUNE, TUNE[8:]])).scores()
    assert scores.argmax() == choice.number
    assert scores[choice.number] > np.median(scores)


@pytest.mark.tensorflow
def test_candidates_on_keras_are_those_on_numpy():
    keras_engine_of = import_module("improv.engine.engines").keras_engine_of
    weights = load(find("lstm"))
    for one, other in zip(chosen(keras_engine_of(weights), 4), chosen(engine_of(weights), 4), strict=True):
        assert (one.number, one.count) == (other.number, other.count)
        assert [note.pitch for note in one.answer.notes] == [note.pitch for note in other.answer.notes]


def test_an_engine_that_never_gets_there_still_answers():
    chords = [Note(40 + n, 80, 10.0, 0.1) for n in range(8)]
    brief = replace(BRIEF, call=replace(CALL, start=10.0, end=10.1), polyphony=32)
    *_, answers = composed(Parrot(), chords, brief, range(3))
    *_, alone = compose(Parrot(), chords, brief)
    assert answers[0] == alone
    assert len({tuple(note.pitch for note in answer.notes) for answer in answers}) == 1
    *_, choice = compose_many(Parrot(), chords, brief, 3)
    assert choice.count == 3
