import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from improv.predict.engine import Taste
from improv.predict.sampling import draw_index, draw_pitch, pitch_probabilities, uniforms

LOGITS = arrays(np.float32, st.tuples(st.integers(1, 4), st.just(128)), elements=st.floats(-30, 30, width=32))
WHOLE = Taste(top_p=1.0, lowest=0, highest=127)


@st.composite
def tastes(draw: st.DrawFn) -> Taste:
    lowest = draw(st.integers(0, 127))
    highest = draw(st.integers(lowest, 127))
    return Taste(draw(st.floats(0.05, 4)), draw(st.floats(0.05, 1)), lowest, highest)


@given(LOGITS, tastes(), st.floats(0, 1, exclude_max=True, width=32))
def test_a_drawn_pitch_lies_in_the_register_and_was_possible(logits, taste, uniform):
    pitches = draw_pitch(logits, np.full(len(logits), uniform, np.float32), taste)
    assert ((taste.lowest <= pitches) & (pitches <= taste.highest)).all()
    assert (pitch_probabilities(logits, taste)[np.arange(len(logits)), pitches] > 0).all()


@given(LOGITS, tastes())
def test_probabilities_are_probabilities(logits, taste):
    probabilities = pitch_probabilities(logits, taste)
    assert probabilities.sum(axis=1) == pytest.approx(1)
    assert (probabilities >= 0).all()


@given(LOGITS, tastes())
def test_a_batch_draws_what_each_of_its_rows_would(logits, taste):
    together = pitch_probabilities(logits, taste)
    alone = np.concatenate([pitch_probabilities(row[None], taste) for row in logits])
    assert np.array_equal(together, alone)


@given(LOGITS, st.floats(0.05, 0.999))
def test_top_p_keeps_the_fewest_pitches_that_hold_it(logits, top_p):
    whole = pitch_probabilities(logits, WHOLE)
    kept = pitch_probabilities(logits, Taste(top_p=top_p, lowest=0, highest=127)) > 0
    for row, mask in zip(whole, kept, strict=True):
        assert row[mask].sum() >= top_p - 1e-9
        # Without the least of them (and its equals) it would be too little.
        assert row[mask & (row > row[mask].min())].sum() < top_p
        assert (row[~mask] < row[mask].min()).all()


def test_a_low_temperature_plays_the_likeliest_pitch_and_a_high_one_many():
    logits = np.linspace(0, 4, 128, dtype=np.float32)[None]
    cold = pitch_probabilities(logits, Taste(0.05, 1.0, 0, 127))
    warm = pitch_probabilities(logits, Taste(1.0, 1.0, 0, 127))
    hot = pitch_probabilities(logits, Taste(4.0, 1.0, 0, 127))
    assert cold[0, 127] > warm[0, 127] > hot[0, 127]
    assert warm[0] == pytest.approx(np.exp(logits[0]) / np.exp(logits[0]).sum(), rel=1e-5)


def test_draws_follow_the_probabilities():
    logits = np.log(np.array([[0.5, 0.3, 0.2] + [1e-12] * 125], np.float32))
    draws = draw_pitch(np.repeat(logits, 4000, axis=0), uniforms(1, 2, 3, 4000)[:, 0], WHOLE)
    assert np.bincount(draws, minlength=3)[:3] / 4000 == pytest.approx([0.5, 0.3, 0.2], abs=0.03)


def test_the_ends_of_the_uniform_range_draw_the_first_and_the_last_possible():
    probabilities = np.array([[0, 0.5, 0.5, 0]] * 2)
    largest = np.nextafter(np.float32(1), np.float32(0))
    assert draw_index(probabilities, np.array([0, largest], np.float32)).tolist() == [1, 2]


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**40), st.integers(0, 2**20), st.integers(0, 50))
def test_fewer_uniform_numbers_are_the_beginning_of_more(seed, revision, candidate, count):
    numbers = uniforms(seed, revision, candidate, 50)
    assert numbers.shape == (50, 4)
    assert ((numbers >= 0) & (numbers < 1)).all()
    assert np.array_equal(uniforms(seed, revision, candidate, count), numbers[:count])


def test_every_seed_revision_and_candidate_has_numbers_of_its_own():
    streams = {uniforms(*where, 8).tobytes() for where in np.ndindex(4, 4, 4)}
    assert len(streams) == 64


def test_the_numbers_are_those_of_yesterday():
    # A session recorded with another version must replay.
    yesterday = [[0.6130714, 0.7189389, 0.2037649, 0.411266], [0.7956625, 0.0462385, 0.6400225, 0.7139529]]
    assert uniforms(1, 2, 3, 2) == pytest.approx(np.array(yesterday), abs=1e-6)
