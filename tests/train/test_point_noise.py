import numpy as np
import pytest

from improv.predict.bins import CELLS, EDGES_S, time_bins
from improv.predict.grid import BOUNDS
from improv.train.point_noise import Noise, cells


def test_cells_agree_with_bins():
    times = np.linspace(0, 9, 20011, dtype=np.float32)
    ends = np.searchsorted(BOUNDS, cells(times), "right") - 1
    assert np.array_equal(ends, time_bins(times))
    assert cells(np.float32([-1, 0, 0.0099, 0.01, 7.999, 8, 60])).tolist() == [0, 0, 0, 1, 799, 799, 799]


@pytest.mark.parametrize("seed", [1, 2])
def test_every_distribution_adds_up_to_1(seed):
    rng = np.random.default_rng(seed)
    noise = Noise.of(rng.exponential(1, 2000).astype(np.float32), rng.normal(0.5, 0.5, 2000).astype(np.float32))
    spread = noise.distributions(np.float32([-3, 0, 0.004, 0.5, 2, 7.995, 8, 50]))
    assert spread.shape == (8, 800)
    assert spread.sum(axis=1) == pytest.approx(1)
    assert (spread > 0).all()


def test_a_score_is_the_probability_of_the_cell():
    rng = np.random.default_rng(1)
    true, predicted = (rng.exponential(1, 3000).astype(np.float32) for _ in range(2))
    noise = Noise.of(true, predicted)
    spread = noise.distributions(predicted[:50])
    assert noise.nats(true[:50], predicted[:50]) == pytest.approx(
        -np.log(spread[np.arange(50), cells(true[:50])]), 1e-4
    )


def test_who_is_always_right_is_nearly_certain():
    times = np.linspace(0.1, 2, 100_000, dtype=np.float32)
    noise = Noise.of(times, times)
    assert noise.nats(np.float32([0.5]), np.float32([0.5]))[0] < 0.02


def test_who_always_errs_alike_is_nearly_certain_too():
    predicted = np.linspace(0.1, 2, 100_000, dtype=np.float32)
    noise = Noise.of(predicted + np.float32(0.2), predicted)
    assert noise.nats(np.float32([0.7]), np.float32([0.5]))[0] < 0.1


def test_what_cannot_be_is_shared_out():
    # Errors of 0.1 s too long and too short are as frequent; from 0.05 s, only one of them can be.
    predicted = np.full(100_000, 1, np.float32)
    noise = Noise.of(np.where(np.arange(100_000) % 2, np.float32(0.9), np.float32(1.1)), predicted)
    assert noise.nats(np.float32([1.1]), np.float32([1.0]))[0] == pytest.approx(np.log(2), abs=0.02)
    assert noise.nats(np.float32([0.15]), np.float32([0.05]))[0] < 0.02


def test_the_last_bin_is_as_even_as_to_everybody():
    predicted = np.full(100_000, 9, np.float32)
    noise = Noise.of(predicted, predicted)
    assert noise.nats(np.float32([12]), np.float32([9]))[0] == pytest.approx(np.log(CELLS[-1]), abs=0.05)
    assert noise.nats(np.float32([EDGES_S[-2] + 0.01]), np.float32([9]))[0] == pytest.approx(
        np.log(CELLS[-1]), abs=0.05
    )


def test_nothing_is_impossible():
    predicted = np.full(1000, 1, np.float32)
    noise = Noise.of(predicted, predicted)
    assert 4 < noise.nats(np.float32([5]), np.float32([1]))[0] < 20
