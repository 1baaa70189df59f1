from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from improv.predict.engine import Taste
from improv.predict.grid import BOUNDS, CELL_S, TIMES
from improv.predict.sampling import (
    CHORD_BINS,
    CHORD_S,
    DENSER,
    draw_index,
    draw_pitch,
    likely,
    likely_step,
    pitch_probabilities,
    uniforms,
)

LOGITS = arrays(np.float32, st.tuples(st.integers(1, 4), st.just(128)), elements=st.floats(-30, 30, width=32))
STEPS = arrays(np.float32, (2, TIMES), elements=st.floats(-30, 30, width=32))
CENTRES_S = (np.array(BOUNDS[:-1]) + BOUNDS[1:]) / 2 * CELL_S
WHOLE = Taste(top_p=1.0, lowest=0, highest=127)


@st.composite
def tastes(draw: st.DrawFn) -> Taste:
    lowest = draw(st.integers(0, 127))
    highest = draw(st.integers(lowest, 127))
    bias = draw(st.none() | st.tuples(*[st.floats(-50, 0)] * 12))
    return Taste(draw(st.floats(0.05, 4)), draw(st.floats(0.05, 1)), lowest, highest, bias=bias)


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


@given(LOGITS, st.floats(0.05, 4), st.tuples(*[st.floats(-8, 0)] * 12))
def test_the_bias_weighs_pitch_classes_as_much_at_any_temperature(logits, temperature, bias):
    plain = pitch_probabilities(logits, Taste(temperature, 1.0, 0, 127))
    biased = pitch_probabilities(logits, Taste(temperature, 1.0, 0, 127, bias=bias))
    expected = plain * np.exp(np.resize(bias, 128))
    assert biased == pytest.approx(expected / expected.sum(axis=1, keepdims=True), rel=1e-6, abs=1e-12)


def test_top_p_cuts_what_the_bias_has_left():
    logits = np.full((1, 128), -30, np.float32)
    logits[0, [60, 61, 62]] = np.log([0.5, 0.3, 0.2])
    bias = (0.0, np.log(0.01), *[0.0] * 10)
    kept = pitch_probabilities(logits, Taste(1.0, 0.95, 0, 127, bias=bias))[0]
    assert kept[[60, 61, 62]] == pytest.approx([5 / 7, 0, 2 / 7], abs=1e-6)


@given(LOGITS, tastes(), st.floats(-8, 0))
def test_a_bias_that_favours_none_changes_nothing(logits, taste, level):
    plain, level_all = (replace(taste, bias=bias) for bias in (None, (level,) * 12))
    assert pitch_probabilities(logits, level_all) == pytest.approx(pitch_probabilities(logits, plain), abs=1e-9)


def shares_of_steps(logits, density, first=0, temperature=1.0):
    shares = likely_step(logits, Taste(temperature, 1.0, density=density), first)
    return shares / shares.sum(axis=1, keepdims=True)


@given(STEPS, st.floats(0.05, 4), st.floats(0.05, 1))
def test_at_density_1_a_step_is_drawn_as_the_model_has_it(logits, temperature, top_p):
    taste = Taste(temperature, top_p)
    assert np.array_equal(likely_step(logits, taste), likely(logits, taste))


@given(STEPS, st.floats(0.25, 4), st.floats(0.2, 4))
def test_density_tilts_steps_by_a_power_of_their_length_and_leaves_chords(logits, density, temperature):
    plain, tilted = (shares_of_steps(logits, each, temperature=temperature) for each in (1.0, density))
    assert CENTRES_S[CHORD_BINS - 1] < CHORD_S < CENTRES_S[CHORD_BINS]
    assert tilted[:, :CHORD_BINS] == pytest.approx(plain[:, :CHORD_BINS], rel=1e-6, abs=1e-12)
    power = CENTRES_S[CHORD_BINS:] ** (-DENSER * np.log2(density))
    expected = plain[:, CHORD_BINS:] * power
    expected *= plain[:, CHORD_BINS:].sum(axis=1, keepdims=True) / expected.sum(axis=1, keepdims=True)
    assert tilted[:, CHORD_BINS:] == pytest.approx(expected, rel=1e-6, abs=1e-12)


@given(STEPS, st.integers(0, TIMES - 1))
def test_the_denser_the_sooner_whatever_has_gone_by(logits, first):
    means = [
        (shares_of_steps(logits[:, first:], density, first) * CENTRES_S[first:]).sum(axis=1)
        for density in (0.25, 0.5, 1.0, 2.0, 4.0)
    ]
    assert (np.diff(means, axis=0) <= 1e-9).all()


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
