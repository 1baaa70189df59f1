import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from improv.predict.bins import CELLS, EDGES_S, binned, time_bins
from improv.predict.grid import CELL_S, NO_VELOCITY, TIMES, VELOCITIES


def bins_of(*seconds):
    return time_bins(np.array(seconds, np.float32)).tolist()


def test_bins_are_whole_cells_and_grow_with_the_time():
    assert (EDGES_S[0], EDGES_S[-1]) == (0, pytest.approx(8))
    assert np.diff(EDGES_S) == pytest.approx(CELLS * CELL_S)
    assert (np.diff(CELLS[:-1]) >= 0).all()
    assert CELLS[:10].tolist() == [1] * 10
    assert (CELLS[20:] * CELL_S <= 0.12 * EDGES_S[20:-1]).all()


def test_chords_have_the_first_bin():
    assert bins_of(0.0, 0.005, 0.0099, 0.0101) == [0, 0, 0, 1]


def test_the_longest_times_share_the_last_bin():
    assert bins_of(7.99, 8.0, 100.0) == [TIMES - 1] * 3


@given(st.floats(0, 7.99))
def test_a_time_lies_in_its_bin(seconds):
    (place,) = bins_of(seconds)
    assert EDGES_S[place] - 1e-4 <= seconds <= EDGES_S[place + 1] + 1e-4


def test_a_note_is_step_pitch_velocity_duration():
    notes = np.array([[60, 0, 0.015, 127], [72, 0.025, 0, 1], [0, 0, 0, 0]], np.float32)
    assert binned(notes).tolist() == [[0, 60, VELOCITIES - 1, 1], [2, 72, 0, 0], [0, 0, NO_VELOCITY, 0]]
