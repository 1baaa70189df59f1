import numpy as np
import pytest

from improv.train.bootstrap import draws, gain, mean, ratio

RNG = np.random.default_rng(1)
COUNTS = RNG.integers(50, 500, 40).astype(float)
SUMS = COUNTS * RNG.normal(2.5, 0.4, 40)
CHOSEN = draws(40, 1)


def test_every_choice_has_as_many_files():
    assert CHOSEN.shape == (2000, 40)
    assert (CHOSEN.sum(axis=1) == 40).all()
    assert np.array_equal(CHOSEN, draws(40, 1))
    assert not np.array_equal(CHOSEN, draws(40, 2))


def test_an_interval_holds_the_mean_and_is_as_wide_as_theory_has_it():
    found = ratio(SUMS, COUNTS, CHOSEN)
    assert found.value == pytest.approx(SUMS.sum() / COUNTS.sum())
    assert found.low < found.value < found.high
    residuals = SUMS - found.value * COUNTS
    error = np.sqrt((residuals**2).sum()) / COUNTS.sum()
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.1)


def test_an_interval_holds_the_truth_19_times_in_20():
    held = 0
    for trial in range(100):
        rng = np.random.default_rng(trial)
        found = ratio(rng.normal(1, 1, 60), np.ones(60), draws(60, trial)[:300])
        held += found.low <= 1 <= found.high
    assert 86 <= held <= 99


def test_files_count_by_their_notes():
    assert ratio(np.array([10.0, 900]), np.array([10.0, 300]), draws(2, 1)).value == pytest.approx(910 / 310)


def test_the_same_twice_is_no_gain():
    found = gain(SUMS, SUMS, CHOSEN)
    assert (found.value, found.low, found.high) == (0, 0, 0)


def test_a_gain_is_paired():
    # Files differ far more than the two who are compared: only on the same files is a tenth a tenth.
    found = gain(0.9 * SUMS, SUMS, CHOSEN)
    assert [found.value, found.low, found.high] == pytest.approx([0.1] * 3)


def test_files_without_a_figure_do_not_count():
    found = mean(np.array([1.0, np.nan, 3.0]), draws(3, 1))
    assert found.value == 2
    assert 1 <= found.low < found.high <= 3
    assert mean(np.array([np.nan]), draws(1, 1)) is None


def test_nothing_counted_is_no_figure():
    assert ratio(np.zeros(3), np.zeros(3), draws(3, 1)) is None
