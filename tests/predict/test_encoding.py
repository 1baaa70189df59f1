import numpy as np

from improv.events import Note
from improv.predict.encoding import notes_to_array, tutorial_features


def test_a_note_is_pitch_step_duration_velocity():
    notes = [Note(60, 80, 100.0, 0.5), Note(64, 70, 100.0, 0.25), Note(67, 90, 100.75, 1.0)]
    array = notes_to_array(notes)
    assert array.dtype == np.float32
    assert array.tolist() == [[60, 0, 0.5, 80], [64, 0, 0.25, 70], [67, 0.75, 1, 90]]


def test_steps_stay_exact_far_from_the_start_of_the_clock():
    array = notes_to_array([Note(60, 80, 1e6 + 0.001, 0.5), Note(60, 80, 1e6 + 0.004, 0.5)])
    assert abs(float(array[1, 1]) - 0.003) < 1e-6


def test_no_notes_are_an_empty_array():
    assert notes_to_array([]).shape == (0, 4)


def test_the_tutorials_network_reads_pitch_as_a_share_of_128():
    notes = np.array([[64, 0.5, 0.25, 100]], np.float32)
    assert tutorial_features(notes).tolist() == [[0.5, 0.5, 0.25]]
    assert notes[0, 0] == 64
