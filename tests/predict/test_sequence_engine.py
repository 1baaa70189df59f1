"""The network `lstm` as an engine. Parity with Keras: `test_sequence_parity.py`."""

import numpy as np
import pytest

from improv.errors import ModelError
from improv.predict.bins import EDGES_S
from improv.predict.engine import Taste
from improv.predict.engines import engine_of
from improv.predict.grid import TIMES
from improv.predict.numpy_engine import NumpyEngine
from improv.predict.sampling import uniforms
from improv.predict.sequence_engine import MIN_DURATION_S, SequenceEngine
from improv.predict.weights import Card, Weights, find, load, save, sequence_shapes

UNITS = 16
STYLES = ("calm", "wild")
CARD = Card("lstm", 64, UNITS, carry=True, styles=STYLES)
TASTE = Taste()


@pytest.fixture(scope="module")
def weights():
    rng = np.random.default_rng(5)
    shapes = sequence_shapes("lstm", UNITS, len(STYLES))
    return Weights(
        "random", CARD, {name: rng.normal(0, 0.3, shape).astype(np.float32) for name, shape in shapes.items()}, "0" * 64
    )


@pytest.fixture
def engine(weights):
    return SequenceEngine(weights)


def performance(count, seed=7):
    rng = np.random.default_rng(seed)
    pitch = np.clip(60 + np.cumsum(rng.integers(-7, 8, count)), 30, 96)
    step = np.where(rng.random(count) < 0.4, 0, rng.gamma(2.0, 0.12, count))
    step[0] = 0
    return np.stack([pitch, step, rng.gamma(2.0, 0.2, count), rng.integers(20, 110, count)], axis=1).astype(np.float32)


def played_on(engine, state, count, taste=TASTE, seed=1):
    rows = []
    for draw in uniforms(seed, 1, 0, count):
        rows.append(engine.draw(state, draw[None], taste))
        state = engine.advance(state, rows[-1])
    return np.concatenate(rows)


def only(weights, **biases):
    """The weights, but one bin of each of these heads is next to certain."""
    tensors = dict(weights.tensors)
    for head, place in biases.items():
        bias = np.zeros_like(tensors[f"{head}.bias"])
        bias[place] = 100
        tensors[f"{head}.bias"] = bias
    return SequenceEngine(Weights("certain", weights.card, tensors, ""))


def test_each_network_has_its_engine(weights):
    assert isinstance(engine_of(weights), SequenceEngine)
    assert isinstance(engine_of(load(find("tutorial"))), NumpyEngine)
    assert engine_of(weights).info.has_velocity


def test_notes_heard_one_by_one_or_at_once_are_the_same(engine):
    notes = performance(40)
    state = engine.prime(notes[:1])
    for note in notes[1:]:
        state = engine.advance(state, note[None])
    at_once = engine.prime(notes)
    assert state.hidden == pytest.approx(at_once.hidden, abs=1e-5)
    assert state.cell == pytest.approx(at_once.cell, abs=1e-5)


def test_a_window_has_no_memory_of_what_came_before_it(engine):
    notes = performance(100)
    assert np.array_equal(engine.prime(notes).hidden, engine.prime(notes[-64:]).hidden)


def test_a_batch_plays_what_each_candidate_would_alone(engine):
    notes, draws = performance(30), uniforms(3, 2, 1, 4)
    together = engine.prime(notes, batch=4)
    first = engine.draw(together, draws, TASTE)
    second = engine.draw(engine.advance(together, first), draws, TASTE)
    for at, draw in enumerate(draws):
        alone = engine.prime(notes)
        note = engine.draw(alone, draw[None], TASTE)
        assert note[0] == pytest.approx(first[at], abs=1e-4)
        assert engine.draw(engine.advance(alone, note), draw[None], TASTE)[0] == pytest.approx(second[at], abs=1e-4)


def test_the_same_numbers_play_the_same_music(engine, weights):
    notes = performance(30)
    first = played_on(engine, engine.prime(notes), 50)
    assert np.array_equal(played_on(SequenceEngine(weights), engine.prime(notes), 50), first)
    assert not np.array_equal(played_on(engine, engine.prime(notes), 50, seed=2), first)


def test_a_state_is_a_value(engine):
    state = engine.prime(performance(30))
    before = state.hidden.tobytes(), state.cell.tobytes()
    played_on(engine, state, 5)
    assert (state.hidden.tobytes(), state.cell.tobytes()) == before


def test_what_is_drawn_is_a_note(engine):
    notes = played_on(engine, engine.prime(performance(30)), 300, Taste(lowest=50, highest=70, top_p=1.0))
    pitch, step, duration, velocity = notes.T
    assert ((pitch >= 50) & (pitch <= 70)).all()
    assert ((step >= 0) & (step <= EDGES_S[-1])).all()
    assert (duration >= np.float32(MIN_DURATION_S)).all()
    assert ((velocity >= 1) & (velocity <= 127) & (velocity == velocity.astype(int))).all()


def test_drawn_times_lie_all_over_their_bin(weights):
    engine = only(weights, step=40, duration=30)
    notes = played_on(engine, engine.prime(performance(30)), 200)
    for times, place in ((notes[:, 1], 40), (notes[:, 2], 30)):
        assert times.min() >= np.float32(EDGES_S[place])
        assert times.max() <= np.float32(EDGES_S[place + 1])
        assert np.ptp(times) > 0.9 * (EDGES_S[place + 1] - EDGES_S[place])


@pytest.mark.parametrize("elapsed", [0.004, 0.3, 1.5, 7.99, 20.0])
def test_no_step_is_shorter_than_the_time_that_has_passed(engine, elapsed):
    state = engine.prime(performance(30), batch=200)
    steps = engine.draw(state, uniforms(1, 2, 3, 200), TASTE.after(elapsed))[:, 1]
    assert (steps >= np.float32(elapsed)).all()


def test_a_step_is_drawn_knowing_that_it_is_no_shorter(weights):
    # Almost surely a chord; but time has passed, and so it must be something else: whatever is likely beyond.
    engine = only(weights, step=0)
    state = engine.prime(performance(30), batch=200)
    assert (engine.draw(state, uniforms(1, 2, 3, 200), TASTE)[:, 1] < 0.01).all()
    steps = engine.draw(state, uniforms(1, 2, 3, 200), TASTE.after(0.5))[:, 1]
    assert len(np.unique(steps)) > 50


def test_cold_and_narrow_plays_what_is_likeliest(engine):
    state = engine.prime(performance(30), batch=50)
    notes = engine.draw(state, uniforms(1, 2, 3, 50), Taste(temperature=0.05, top_p=0.05))
    assert len(np.unique(notes[:, 0])) == 1
    assert len(np.unique(np.searchsorted(EDGES_S, notes[:, 1], "right"))) == 1


def test_a_style_is_one_of_the_models(weights):
    notes = performance(30)
    states = [SequenceEngine(weights, style=style).prime(notes).hidden for style in (None, *STYLES)]
    assert not np.array_equal(states[0], states[1])
    assert not np.array_equal(states[1], states[2])
    assert np.array_equal(engine_of(weights, "wild").prime(notes).hidden, states[2])
    with pytest.raises(ModelError, match=r"random has no style 'jazz' \(it has: calm, wild\)"):
        SequenceEngine(weights, style="jazz")
    with pytest.raises(ModelError, match="tutorial has no styles to choose from"):
        engine_of(load(find("tutorial")), "jazz")


def test_what_was_saved_is_loaded(weights, tmp_path):
    save(tmp_path / "a.safetensors", CARD, weights.tensors)
    assert load(tmp_path / "a.safetensors").card == CARD


def test_styles_without_a_row_are_refused(weights, tmp_path):
    card = Card("lstm", 64, UNITS, styles=("one",))
    with pytest.raises(ModelError, match=r"style\.table has shape \(3, 8\), must be \(2, 8\)"):
        save(tmp_path / "a.safetensors", card, weights.tensors)


def test_bins_of_another_network_are_refused(weights, tmp_path):
    tensors = dict(weights.tensors) | {"step.bias": np.zeros(TIMES - 1, np.float32)}
    with pytest.raises(ModelError, match=r"step\.bias has shape"):
        save(tmp_path / "a.safetensors", CARD, tensors)
