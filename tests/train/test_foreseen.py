import numpy as np
import pytest

from improv.predict.bins import CELLS, binned
from improv.predict.grid import TIMES, VELOCITIES
from improv.train.foreseen import joined, judged

from .music import noise, notes

SIZES = {"step": TIMES, "pitch": 128, "velocity": VELOCITIES, "duration": TIMES}
COLUMNS = {"step": 0, "pitch": 1, "velocity": 2, "duration": 3}


def certain(bins):
    """Logits that are sure of the truth."""
    return {part: 50 * np.eye(size, dtype=np.float32)[bins[:, COLUMNS[part]] % size] for part, size in SIZES.items()}


def test_who_is_certain_and_right_loses_nothing_but_the_cells():
    bins = binned(noise(200, 1))
    answer = judged(certain(bins), bins)
    assert answer.pitch == pytest.approx(0, abs=1e-5)
    assert answer.velocity == pytest.approx(0, abs=1e-5)
    assert answer.step == pytest.approx(np.log(CELLS[bins[:, 0]]), abs=1e-4)
    assert answer.top_1.all()
    assert np.array_equal(answer.chord, bins[:, 0] < 2)


def test_who_knows_nothing_is_right_by_chance():
    bins = binned(noise(200, 1))
    answer = judged({part: np.zeros((200, size), np.float32) for part, size in SIZES.items()}, bins)
    assert answer.pitch == pytest.approx(np.log(128), rel=1e-5)
    assert answer.top_1 == pytest.approx(1 / 128)
    assert answer.top_5 == pytest.approx(5 / 128)
    assert not answer.chord.any()


def test_the_fifth_guess_counts_and_the_sixth_does_not():
    logits = -np.arange(128, dtype=np.float32)[None].repeat(2, axis=0)
    answer = judged({"pitch": logits}, binned(notes([4, 5])))
    assert answer.top_5.tolist() == [1, 0]
    assert answer.top_1.tolist() == [0, 0]


def test_all_that_could_be_a_chord_counts_together():
    logits = np.full((2, TIMES), -9, np.float32)
    # 0.3 each for the first two cells, against 0.4; and 0.2 each, against 0.6.
    logits[:, [0, 1, 9]] = np.log([[0.3, 0.3, 0.4], [0.2, 0.2, 0.6]])
    pitch = np.zeros((2, 128), np.float32)
    assert judged({"pitch": pitch, "step": logits}, binned(notes([60, 60]))).chord.tolist() == [True, False]


def test_what_nobody_knows_is_no_number():
    bins = binned(notes([60, 62], velocities=[0, 80]))
    answer = judged(certain(bins), bins)
    assert np.isnan(answer.velocity).tolist() == [True, False]
    only = judged({"pitch": np.zeros((2, 128), np.float32)}, bins)
    assert np.isnan([only.step, only.velocity, only.duration]).all()


def test_pieces_are_joined_in_their_order():
    bins = binned(noise(20, 1))
    logits = {part: np.random.default_rng(1).normal(size=(20, size)).astype(np.float32) for part, size in SIZES.items()}
    whole = judged(logits, bins)
    pieces = joined([judged({part: own[a:b] for part, own in logits.items()}, bins[a:b]) for a, b in ((0, 7), (7, 20))])
    assert np.array_equal(whole.pitch, pieces.pitch)
    assert len(joined([]).pitch) == 0
