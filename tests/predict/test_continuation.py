import numpy as np
import pytest

from improv.predict.continuation import continuations, continued
from improv.predict.engine import Taste
from improv.predict.engines import engine_of
from improv.predict.weights import find, load

PROMPT = np.array([[60 + at % 7, 0.2, 0.2, 70] for at in range(30)], np.float32)


@pytest.fixture(scope="module", params=["lstm", "tutorial"])
def engine(request):
    return engine_of(load(find(request.param)))


def test_the_same_seed_goes_on_alike_and_another_does_not(engine):
    notes = continuations(engine, PROMPT, 20, Taste(), 1)
    assert notes.shape == (1, 20, 4)
    assert np.array_equal(notes, continuations(engine, PROMPT, 20, Taste(), 1), equal_nan=True)
    assert not np.array_equal(notes, continuations(engine, PROMPT, 20, Taste(), 2), equal_nan=True)


def test_every_note_is_one_that_can_be_played(engine):
    notes = continuations(engine, PROMPT, 50, Taste(lowest=40, highest=80), 3, batch=3)
    pitches, steps, durations, velocities = np.moveaxis(notes, -1, 0)
    assert ((pitches >= 40) & (pitches <= 80)).all()
    assert (steps >= 0).all()
    assert (durations >= 0.05 - 1e-6).all()
    has_velocity = engine.info.has_velocity
    assert ((velocities >= 1) & (velocities <= 127)).all() if has_velocity else np.isnan(velocities).all()


def test_candidates_differ(engine):
    first, second = continuations(engine, PROMPT, 20, Taste(), 1, batch=2)
    assert not np.array_equal(first, second, equal_nan=True)


def test_prompts_are_gone_on_from_all_at_once(engine):
    prompts = [PROMPT, PROMPT + np.float32([5, 0, 0, 0]), PROMPT]
    notes = continued(engine, prompts, 20, Taste(), 1)
    assert notes.shape == (3, 20, 4)
    # The first as it is alone; the last as the third candidate of the same prompt.
    candidates = continuations(engine, PROMPT, 20, Taste(), 1, batch=3)
    for at in (0, 2):
        assert np.array_equal(notes[at, :, 0], candidates[at, :, 0])
        assert np.allclose(notes[at], candidates[at], atol=1e-3, equal_nan=True)
    assert not np.array_equal(notes[1], candidates[1], equal_nan=True)
