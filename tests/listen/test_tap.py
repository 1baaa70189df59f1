from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from improv.listen.tap import TapTempo


def tapped(*taps):
    tempo = TapTempo()
    for at in taps:
        tempo.tap(at)
    return tempo


def beats(bpm, count, start=0.0):
    return [start + place * 60 / bpm for place in range(count)]


@given(st.floats(20, 300), st.integers(2, 30), st.floats(0, 1e5))
def test_even_taps_are_the_beat(bpm, count, start):
    taps = beats(bpm, count, start)
    tempo = tapped(*taps)
    assert tempo.period == pytest.approx(60 / bpm, rel=1e-6)
    assert tempo.last == pytest.approx(taps[-1])


def test_one_tap_is_no_tempo():
    assert (TapTempo().period, TapTempo().last) == (None, None)
    assert (tapped(4.0).period, tapped(4.0).last) == (None, 4.0)


@pytest.mark.parametrize("bpm", [50, 90, 120, 180])
def test_an_uneven_hand_is_smoothed(bpm):
    random = Random(bpm)
    taps = beats(bpm, 40)
    tempo, steps, places = TapTempo(), [], []
    for place, at in enumerate(taps):
        tempo.tap(at + random.gauss(0, 0.015))
        if place >= 8:
            steps.append(abs(tempo.period * bpm / 60 - 1))
            places.append(abs(tempo.last - at))
    assert max(steps) < 0.03
    # As good as the taps themselves, and not late.
    assert sum(places) / len(places) < 0.012


def test_a_tap_left_out_or_far_off_moves_the_beat_little():
    taps = beats(100, 8)
    del taps[4]
    assert tapped(*taps).period == pytest.approx(0.6)
    taps = beats(100, 9)
    taps[4] += 0.2
    assert tapped(*taps).period == pytest.approx(0.6, rel=0.01)
    assert tapped(*taps).last == pytest.approx(taps[-1], abs=0.01)


def test_a_last_tap_far_off_does_not_carry_the_beat_away():
    taps = beats(100, 8)
    taps[-1] += 0.15
    assert tapped(*taps).last == pytest.approx(4.2, abs=0.02)


def test_a_pad_that_bounces_taps_once():
    assert tapped(0.0, 0.03, 0.5, 0.54, 1.0).period == pytest.approx(0.5)


def test_after_a_pause_taps_start_anew():
    tempo = tapped(*beats(120, 8))
    tempo.tap(3.5 + 2.1)
    assert (tempo.period, tempo.last) == (None, 5.6)
    tempo.tap(6.4)
    assert tempo.period == pytest.approx(0.8)


def test_slow_beats_are_no_pause():
    assert tapped(*beats(24, 6)).period == pytest.approx(2.5)


@pytest.mark.parametrize("other", [70, 85, 150, 240])
def test_a_new_tempo_is_taken_after_three_taps(other):
    tempo = tapped(*beats(110, 9))
    for at in beats(other, 4, start=beats(110, 9)[-1])[1:]:
        tempo.tap(at)
    assert tempo.period == pytest.approx(60 / other, rel=0.02)


def test_faster_than_the_fastest_is_the_fastest():
    assert tapped(*beats(400, 8)).period == pytest.approx(0.2)


@given(st.lists(st.floats(0, 5), max_size=40))
def test_whatever_is_tapped_the_tempo_is_within_bounds(steps):
    tempo, at = TapTempo(), 0.0
    for step in steps:
        at += step
        tempo.tap(at)
        assert tempo.period is None or 0.2 <= tempo.period <= 3.0
        assert abs(tempo.last - at) < 4.0
