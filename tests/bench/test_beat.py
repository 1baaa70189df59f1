"""The pure parts of `improv bench --beat`: true grids, lines, recovery, what lies beyond a floor."""

import random
from math import sqrt
from statistics import pstdev

import pytest

from improv.bench import beat
from improv.bench.clock_jam import Onset, Take
from improv.bench.clock_score import Song, Stretch, jumps, line_of, ramp, recovery, steady
from improv.bench.figures import Verdict
from improv.events import CLOCK, CONTINUE, START, STOP, NoteOn, Realtime, SongPosition, decode

TICK = Realtime(CLOCK)


def take(stretches, *onsets, echoes=(0.0005, 0.0009)):
    song = Song(tuple(stretches), (), float(stretches[-1].ticks[-1]))
    return Take(song, tuple(Onset(at, 1, place, None) for at, place in onsets), (), echoes, 0)


@pytest.mark.parametrize("bpm", [60, 150, 200])
def test_a_steady_stretch_has_24_ticks_a_beat(bpm):
    stretch = Stretch.of(0.5, 10, steady(bpm), first=8.0)
    assert len(stretch.ticks) == 10 * bpm * 24 // 60 + 1
    assert stretch.time_at(8) == 0.5
    assert stretch.time_at(13) == pytest.approx(0.5 + 5 * 60 / bpm)
    assert stretch.time_at(7) == pytest.approx(0.5 - 60 / bpm)


def test_a_ramp_has_the_beats_of_its_mean_tempo():
    stretch = Stretch.of(0.0, 20, ramp(60, 200, 0, 20))
    assert stretch.beat_at(20) == pytest.approx(130 / 60 * 20, abs=0.01)
    # A tempo that rises evenly: beats go with the square of time.
    assert stretch.beat_at(10) == pytest.approx((60 * 10 + 7 * 10**2 / 2) / 60, abs=0.01)


@pytest.mark.parametrize("tempo", [steady(97), ramp(200, 60, 2, 9), jumps((100, 140), 5)])
def test_beat_and_time_are_inverse(tempo):
    stretch = Stretch.of(1.0, 12, tempo, first=-4.0)
    for beat_ in (-5.0, -4.0, 0.25, 3.1, 9.0):
        assert stretch.beat_at(stretch.time_at(beat_)) == pytest.approx(beat_)


def test_a_song_that_goes_back_says_so_in_midi():
    first, second = Stretch.of(0.5, 1, steady(120)), Stretch.of(2.0, 1, steady(120), first=16.0)
    events = [decode(data) for _, data in Song((first, second), (), 3.0).clock(0.0, random.Random(1))]
    assert [event for event in events if event != TICK] == [
        Realtime(START),
        Realtime(STOP),
        SongPosition(64),
        Realtime(CONTINUE),
    ]
    assert events.count(TICK) == len(first.ticks) + len(second.ticks)


def test_jitter_moves_ticks_but_never_past_each_other():
    stretch = Stretch.of(0.5, 60, steady(200))
    times = [at for at, data in Song((stretch,), (), 60.5).clock(0.002, random.Random(2)) if decode(data) == TICK]
    assert times == sorted(times)
    assert pstdev(at - true for at, true in zip(times, stretch.ticks, strict=True)) == pytest.approx(0.002, rel=0.1)


def test_the_player_plays_on_and_off():
    song = Song((Stretch.of(0, 1, steady(60)),), ((0.25, 60, 0.1),), 1.0)
    (at, on), (off_at, _) = song.playing()
    assert decode(on) == NoteOn(60, 80)
    assert (at, off_at) == (0.25, 0.35)


@pytest.mark.parametrize(
    ("place", "line"), [(4.0, 4.0), (4.2501, 4.25), (4.3334, 4 + 1 / 3), (4.5, 4.5), (4.28, None), (4.1, None)]
)
def test_a_note_was_drawn_to_a_line_or_to_none(place, line):
    assert line_of(place) == (line if line is None else pytest.approx(line))


def test_errors_are_from_the_true_line_and_a_chord_is_one_onset():
    stretch = Stretch.of(0.5, 10, steady(120))
    heard = take([stretch], (1.503, 2.0), (1.503, 2.0), (1.749, 2.5), (2.1, 3.1))
    assert [round(error, 6) for _, error in beat.errors(heard)] == [0.003, -0.001]


def test_a_place_that_comes_again_in_a_loop_is_told_from_the_first():
    stretches = [Stretch.of(0.5, 2, steady(120)), Stretch.of(3.0, 2, steady(120))]
    heard = take(stretches, (1.501, 2.0), (4.002, 2.0))
    assert [round(error, 6) for _, error in beat.errors(heard)] == [0.001, 0.002]


def test_what_is_late_by_more_than_the_floor_is_missed():
    stretch = Stretch.of(0.5, 10, steady(120))
    good = beat.onsets_row("x", take([stretch], (1.5005, 2.0), (2.0007, 3.0)))
    late = beat.onsets_row("x", take([stretch], (1.5015, 2.0), (2.0017, 3.0)))
    wide = beat.onsets_row("x", take([stretch], (1.497, 2.0), (2.003, 3.0)))
    assert good.verdict is Verdict.MET
    assert late.verdict is Verdict.MISSED
    assert wide.verdict is Verdict.MISSED
    assert wide.values["sd"] == pytest.approx(3.0)
    assert wide.values["sd beyond"] == pytest.approx(sqrt(3.0**2 - 0.2**2))
    assert beat.onsets_row("x", take([stretch])).verdict is Verdict.NOT_RUN


def test_nothing_lies_beyond_a_floor_that_is_wider():
    assert beat.beyond_floor(0.3, 0.5) == 0.0


def test_recovery_ends_with_the_last_error_that_is_too_large():
    wrong = [(3.0, 0.1), (4.5, 0.04), (5.5, 0.001), (6.25, -0.02), (7.0, 0.001)]
    assert recovery(4.0, wrong, 0.005) == 2.25
    assert recovery(6.5, wrong, 0.005) == 0.0


def test_a_clock_without_jitter_is_foreseen_exactly():
    wrong = beat.foreseen_alone(Stretch.of(0.0, 10, steady(90)), 0.0)
    assert len(wrong) == 11
    assert max(map(abs, wrong)) < 1e-6


def test_a_clock_with_jitter_is_foreseen_within_a_millisecond():
    assert pstdev(beat.foreseen_alone(Stretch.of(0.0, 20, steady(150)), 0.002)) < 0.001
