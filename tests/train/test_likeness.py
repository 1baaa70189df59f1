import numpy as np
import pytest

from improv.train.likeness import SIZES, circles, histograms, in_a_row, in_key, key, overlap, polyphony, repeated

from .music import noise, notes

C_MAJOR = [60, 62, 64, 65, 67, 69, 71]


def test_a_passage_has_all_in_common_with_itself():
    counts = histograms(noise(300, 1))
    assert set(counts) == set(SIZES)
    for name, own in counts.items():
        assert own.shape == (SIZES[name],)
        assert own.sum() == 300
        assert overlap(own, own) == pytest.approx(1)
        assert overlap(own, 7 * own) == pytest.approx(1)


def test_what_never_meets_has_nothing_in_common():
    low, high = (
        histograms(notes([pitch] * 9, step, step, velocity)) for pitch, step, velocity in ((60, 0.1, 9), (61, 2, 99))
    )
    for name in ("pitch class", "step", "duration", "velocity"):
        assert overlap(low[name], high[name]) == 0


def test_half_in_common():
    assert overlap(np.array([2.0, 2, 0]), np.array([0.0, 5, 5])) == pytest.approx(0.5)
    assert overlap(np.array([[2.0, 2], [1, 0]]), np.array([[1.0, 0], [0, 0]])) == pytest.approx(
        [0.5, np.nan], nan_ok=True
    )


def test_unknown_velocities_are_not_counted():
    assert histograms(notes([60] * 4, velocities=[0, np.nan, 1, 127]))["velocity"].sum() == 2


def test_polyphony_of_a_melody_and_of_a_chord():
    assert polyphony(notes([60, 62, 64], 0.5, 0.4)).tolist() == [1, 1, 1]
    # Legato: a note that ends as the next begins sounds no more.
    assert polyphony(notes([60, 62, 64], 0.5, 0.5)).tolist() == [1, 1, 1]
    assert polyphony(notes([60, 62, 64, 72], [0, 0, 0, 0.5], [1, 1, 0.1, 1])).tolist() == [3, 3, 3, 3]
    assert polyphony(notes([60, 62], 0.5, 0)).tolist() == [1, 1]


@pytest.mark.parametrize("tonic", range(12))
def test_a_scale_is_in_its_key(tonic):
    cadence = notes(np.array([60, 64, 67, 65, 69, 72, 67, 71, 74, 60, 64, 67, 62, 60]) + tonic)
    classes = key(cadence)
    assert set(classes.tolist()) == {(pitch + tonic) % 12 for pitch in C_MAJOR}
    assert in_key(cadence, classes) == len(cadence)
    assert in_key(notes(np.array([61, 60, 66, 62]) + tonic), classes) == 2


def test_a_minor_cadence_is_in_its_relative_majors_classes():
    minor = notes([57, 60, 64, 57, 62, 65, 69, 57, 60, 64, 59, 57])
    assert set(key(minor).tolist()) == {pitch % 12 for pitch in C_MAJOR}


def test_a_long_note_says_more_of_the_key():
    pitches, durations = [61, 66, 60, 64, 67], [0.05, 0.05, 4, 4, 4]
    assert {0, 4, 7} <= set(key(notes(pitches, durations=durations)).tolist())


def test_a_melody_without_repetition():
    melody = notes(range(40, 80))
    assert repeated(melody) == (0, 33)
    assert in_a_row(melody) == circles(melody) == 1


@pytest.mark.parametrize("times", [2, 4, 5, 9])
def test_a_loop_of_8_notes(times):
    loop = notes([*range(40, 56), *[60, 62, 64, 65, 67, 69, 71, 72] * times, 30, 31, 33])
    assert in_a_row(loop) == times
    assert circles(loop) == times
    assert repeated(loop)[0] == 8 * times - 8 + 1 - 8


@pytest.mark.parametrize("length", [1, 2, 4])
def test_shorter_loops_are_loops_of_8_notes_too(length):
    loop = notes([*range(20, 40), *range(60, 60 + length), *[*range(60, 60 + length)] * 19])
    assert in_a_row(loop) == 20 * length // 8
    assert circles(loop) == 20


def test_a_loop_of_3_notes_is_found_among_the_circles_alone():
    loop = notes([*range(20, 40), *[60, 64, 67] * 8])
    assert circles(loop) == 8
    assert in_a_row(loop) == 1


def test_other_steps_are_no_repetition_but_a_few_milliseconds_are():
    pitches = [60, 62, 64, 65, 67, 69, 71, 72] * 5
    rng = np.random.default_rng(1)
    assert in_a_row(notes(pitches, 0.25 + rng.uniform(-0.02, 0.02, 40))) == 5
    assert in_a_row(notes(pitches, 0.1 + 0.05 * np.arange(40))) == 1


def test_a_passage_shorter_than_a_run():
    short = notes([60, 62, 64])
    assert repeated(short) == (0, 0)
    assert in_a_row(short) == circles(short) == 1
