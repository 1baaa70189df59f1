"""The numpy engine against the LSTM's own formulas, and as an engine. Parity with Keras: `test_parity.py`."""

import numpy as np
import pytest

from improv.predict.engine import Taste
from improv.predict.numpy_engine import MIN_DURATION_S, NumpyEngine
from improv.predict.sampling import uniforms
from improv.predict.weights import Card, Weights, find, load, tutorial_shapes

UNITS = 16
TASTE = Taste()


@pytest.fixture(scope="module")
def weights():
    rng = np.random.default_rng(5)
    tensors = {name: rng.normal(0, 0.3, shape).astype(np.float32) for name, shape in tutorial_shapes(UNITS).items()}
    return Weights("random", Card("tutorial", 25, UNITS), tensors, "0" * 64)


@pytest.fixture(params=[False, True], ids=["windowed", "carried"])
def engine(request, weights):
    return NumpyEngine(weights, carry=request.param)


def performance(count, seed=7):
    """Chords and runs, with the steps and durations of hands."""
    rng = np.random.default_rng(seed)
    pitch = np.clip(60 + np.cumsum(rng.integers(-7, 8, count)), 30, 96)
    step = np.where(rng.random(count) < 0.4, rng.random(count) * 0.02, rng.gamma(2.0, 0.12, count))
    step[0] = 0
    return np.stack([pitch, step, rng.gamma(2.0, 0.2, count), rng.integers(20, 110, count)], axis=1).astype(np.float32)


def textbook(tensors, notes):
    """The LSTM as its authors wrote it, in double precision."""
    hidden, cell = np.zeros(UNITS), np.zeros(UNITS)
    for pitch, step, duration, _ in notes.astype(np.float64):
        gates = np.array([pitch / 128, step, duration]) @ tensors["lstm.kernel"] + tensors["lstm.bias"]
        enter, forget, candidate, out = np.split(gates + hidden @ tensors["lstm.recurrent"], 4)
        sigmoid = [1 / (1 + np.exp(-gate)) for gate in (enter, forget, out)]
        cell = sigmoid[1] * cell + sigmoid[0] * np.tanh(candidate)
        hidden = sigmoid[2] * np.tanh(cell)
    return [hidden @ tensors[f"{head}.kernel"] + tensors[f"{head}.bias"] for head in ("pitch", "step", "duration")]


def played(engine, notes, batch=1):
    state = engine.prime(notes[:1], batch)
    for note in notes[1:]:
        state = engine.advance(state, np.repeat(note[None], batch, axis=0))
    return state


def outputs(engine, state):
    return np.concatenate([np.reshape(head, (len(state.hidden), -1)) for head in engine.heads(state)], axis=1)


def test_the_heads_are_those_of_the_formulas(weights):
    notes = performance(25)
    engine = NumpyEngine(weights)
    expected = np.concatenate(textbook(weights.tensors, notes))
    assert outputs(engine, engine.prime(notes))[0] == pytest.approx(expected, abs=1e-5)


def test_as_trained_the_network_knows_its_window_and_nothing_before(weights):
    engine, notes = NumpyEngine(weights), performance(60)
    assert np.array_equal(outputs(engine, played(engine, notes)), outputs(engine, engine.prime(notes[-25:])))
    assert np.array_equal(outputs(engine, engine.prime(notes)), outputs(engine, engine.prime(notes[-25:])))


def test_carried_the_network_knows_all_it_heard(weights):
    engine, notes = NumpyEngine(weights, carry=True), performance(60)
    expected = np.concatenate(textbook(weights.tensors, notes))
    assert outputs(engine, played(engine, notes))[0] == pytest.approx(expected, abs=1e-5)


def test_the_model_file_says_whether_the_state_is_carried(weights):
    assert not NumpyEngine(weights).info.carries
    assert NumpyEngine(weights, carry=True).info.carries


@pytest.mark.parametrize("count", [1, 2, 24, 25, 26])
def test_any_number_of_notes_primes_a_window(engine, count):
    notes = engine.draw(engine.prime(performance(count)), uniforms(1, 1, 0, 1), TASTE)
    assert notes.shape == (1, 4)


def test_a_batch_plays_what_each_candidate_would_alone(engine):
    notes, draws = performance(30), uniforms(3, 2, 1, 4)
    together = engine.draw(engine.prime(notes, batch=4), draws, TASTE)
    alone = np.concatenate([engine.draw(engine.prime(notes), draw[None], TASTE) for draw in draws])
    assert together == pytest.approx(alone, abs=1e-5, nan_ok=True)


def test_the_same_state_and_numbers_draw_the_same_note(engine):
    state = engine.prime(performance(30), batch=2)
    before = outputs(engine, state).tobytes()
    draws = uniforms(1, 2, 3, 2)
    first = engine.draw(state, draws, TASTE)
    # A state is a value: what is computed from it leaves it as it was.
    engine.advance(engine.advance(state, first), first)
    assert np.array_equal(engine.draw(state, draws, TASTE), first, equal_nan=True)
    assert outputs(engine, state).tobytes() == before


def test_no_step_is_shorter_than_the_time_that_has_passed(engine):
    state, draws = engine.prime(performance(30)), uniforms(1, 2, 3, 1)
    free = engine.draw(state, draws, TASTE)[0, 1]
    assert engine.draw(state, draws, TASTE.after(1.5))[0, 1] == max(free, 1.5)


def test_twice_as_many_notes_come_in_half_the_step_unless_that_lies_in_a_chord(weights):
    notes, draws = performance(30), uniforms(1, 2, 3, 1)
    for bias, times in ((0.8, 2), (0.01, 1)):
        tensors = dict(weights.tensors) | {"step.kernel": np.zeros((UNITS, 1), np.float32)}
        tensors["step.bias"] = np.full(1, bias, np.float32)
        engine = NumpyEngine(Weights("even", weights.card, tensors, ""))
        state = engine.prime(notes)
        plain, denser = (engine.draw(state, draws, Taste(density=density)) for density in (1.0, 2.0))
        assert plain[0, 1] == pytest.approx(times * denser[0, 1])
        assert np.array_equal(plain[:, [0, 2]], denser[:, [0, 2]])


def test_times_below_nothing_are_raised_to_the_least(weights):
    low = dict(weights.tensors) | {f"{head}.bias": np.full(1, -100, np.float32) for head in ("step", "duration")}
    engine = NumpyEngine(Weights("low", weights.card, low, ""))
    _, step, duration, velocity = engine.draw(engine.prime(performance(30)), uniforms(1, 2, 3, 1), TASTE)[0]
    assert (step, duration) == (0, np.float32(MIN_DURATION_S))
    assert np.isnan(velocity)


def test_the_shipped_model_plays_on_for_as_long_as_it_is_asked():
    engine, taste = NumpyEngine(load(find("tutorial"))), Taste(lowest=40, highest=90)
    state, rows = engine.prime(performance(25)), []
    for draw in uniforms(1, 1, 0, 200):
        rows.append(engine.draw(state, draw[None], taste))
        state = engine.advance(state, rows[-1])
    pitch, step, duration, _ = np.concatenate(rows).T
    assert ((pitch >= 40) & (pitch <= 90)).all()
    assert len(set(pitch)) > 10
    assert (step < 10).all()
    assert (duration < 10).all()
