from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from improv.listen.tempo import SILENCE_S, TempoListener

EIGHTHS = (0.0, 0.5)
SIXTEENTHS = (0.0, 0.25, 0.5, 0.75)
# A syncopated bar of four, in beats: the tresillo with a beat below it.
SYNCOPATED = (0.0, 0.75, 1.0, 1.5, 2.0, 2.75, 3.0, 3.5)


def played(pattern, bpm, beats, *, bar=1, jitter=0.0, start=0.0, seed=1):
    """Onsets (seconds) of a pattern of `bar` beats, repeated."""
    random = Random(seed)
    places = [first + place for first in range(0, beats, bar) for place in pattern]
    return [start + max(0.0, place * 60 / bpm + random.gauss(0, jitter)) for place in places]


def heard(onsets, listener=None, every=0.1):
    """The grids (moment, grid) that a listener says while the onsets are played."""
    listener = listener or TempoListener()
    said, ask = [], onsets[0]
    for at in sorted(onsets):
        while ask < at:
            said.append((ask, listener.grid(ask)))
            ask += every
        listener.onset(at)
    said.append((at + 0.05, listener.grid(at + 0.05)))
    return said


def octave(grid, bpm):
    """How many times too fast the grid is."""
    return min((0.5, 1.0, 2.0), key=lambda times: abs(grid.bpm / (bpm * times) - 1))


def errors(grid, bpm, now, start=0.0):
    """How far the tempo is off (share) and the next beat (seconds), in whichever octave it is."""
    times = octave(grid, bpm)
    period = 60 / bpm / max(times, 1.0)
    at = grid.time_at(grid.next(now)) - start
    return abs(grid.bpm / (bpm * times) - 1), abs(at / period - round(at / period)) * period


@pytest.mark.parametrize("bpm", range(56, 201, 12))
@pytest.mark.parametrize("jitter", [0.0, 0.015])
def test_eighths_are_heard_at_any_tempo(bpm, jitter):
    said = heard(played(EIGHTHS, bpm, 40, jitter=jitter))
    late = [(now, grid) for now, grid in said if now > 8]
    assert sum(grid is not None for _, grid in late) > 0.9 * len(late)
    for now, grid in late:
        if grid is None:
            continue
        tempo, beat = errors(grid, bpm, now)
        assert tempo < 0.04
        # Where eighths are even, any of them may be the beat.
        assert min(beat, abs(beat - 30 / bpm)) < 0.05


@pytest.mark.parametrize("bpm", [92, 100, 120, 160, 200])
@pytest.mark.parametrize("late", [0.6, 2 / 3])
def test_swing_is_heard(bpm, late):
    said = [(now, grid) for now, grid in heard(played((0.0, late), bpm, 48, jitter=0.01)) if now > 12]
    near = [error for now, grid in said if grid for error in [errors(grid, bpm, now)]]
    assert len(near) > 0.9 * len(said)
    assert sum(tempo < 0.04 and beat < 0.05 for tempo, beat in near) > 0.9 * len(near)


@pytest.mark.parametrize("bpm", [66, 84, 100])
@pytest.mark.parametrize(("pattern", "bar"), [(SIXTEENTHS, 1), (SYNCOPATED, 4)])
def test_patterns_are_heard(bpm, pattern, bar):
    # Even sixteenths alone tell no beat: a second voice has the beats.
    said = heard(played(pattern, bpm, 40, bar=bar, jitter=0.012) + played((0.0,), bpm, 40, jitter=0.012, seed=2))
    late = [(now, grid) for now, grid in said if now > 8]
    assert sum(grid is not None for _, grid in late) > 0.9 * len(late)
    near = [error for now, grid in late if grid for error in [errors(grid, bpm, now)]]
    assert sum(tempo < 0.04 for tempo, _ in near) > 0.9 * len(near)


def test_the_stronger_beats_are_the_beat():
    """Chords on the beat, single notes between."""
    onsets = sorted(played(EIGHTHS, 96, 32) + [at + 0.01 for at in played((0.0,), 96, 32)])
    now, grid = heard(onsets)[-1]
    assert grid is not None
    assert max(errors(grid, 96, now)) < 0.05


def test_an_accelerando_is_followed():
    at, onsets, bpms = 0.0, [], []
    for place in range(120):
        bpm = 90 * 1.25 ** (place / 120)
        onsets.append(at)
        bpms.append(bpm)
        at += 30 / bpm
    said = heard(onsets)
    late = [(now, grid) for now, grid in said if now > 8]
    assert sum(grid is not None for _, grid in late) > 0.9 * len(late)
    now, grid = said[-1]
    assert errors(grid, bpms[-1], now)[0] < 0.03


@pytest.mark.parametrize("gap", [2.0, 4.0, 6.0])
@pytest.mark.parametrize("bpm", [80, 100, 120])
def test_the_beat_goes_on_through_a_silence(gap, bpm):
    listener = TempoListener()
    onsets = played(EIGHTHS, bpm, 32, jitter=0.008)
    heard(onsets, listener)
    now = onsets[-1] + gap
    grid = listener.grid(now)
    assert grid is not None
    tempo, beat = errors(grid, bpm, now)
    assert tempo < 0.02
    assert min(beat, abs(beat - 30 / bpm)) < 0.1


@pytest.mark.parametrize("rest", [3, 4, 6])
@pytest.mark.parametrize("bpm", [84, 100, 126])
def test_phrases_with_rests_between_have_one_beat(bpm, rest):
    listener, onsets = TempoListener(), []
    for phrase in range(6):
        start = phrase * (8 + rest) * 60 / bpm
        onsets += played((0.0, 1.0, 1.5, 2.0, 3.0, 3.5), bpm, 8, bar=4, jitter=0.012, start=start, seed=phrase)
    said = heard(onsets, listener)
    late = [(now, grid) for now, grid in said if now > 8 * 60 / bpm + 8]
    assert sum(grid is not None for _, grid in late) > 0.9 * len(late)
    near = [errors(grid, bpm, now) for now, grid in late if grid]
    assert sum(tempo < 0.04 and min(beat, abs(beat - 30 / bpm)) < 0.06 for tempo, beat in near) > 0.9 * len(near)


def test_after_a_long_silence_there_is_no_beat():
    listener = TempoListener()
    onsets = played(EIGHTHS, 100, 32)
    heard(onsets, listener)
    assert listener.grid(onsets[-1] + SILENCE_S - 0.1) is not None
    assert listener.grid(onsets[-1] + SILENCE_S + 0.1) is None
    # And one note does not bring it back.
    listener.onset(onsets[-1] + 60)
    assert listener.grid(onsets[-1] + 60.1) is None


@pytest.mark.parametrize("seed", range(12))
def test_free_playing_has_no_beat(seed):
    """Onsets as of a Poisson process: steps of any length."""
    random = Random(seed)
    onsets, at = [], 0.0
    for _ in range(200):
        at += 0.06 + random.expovariate(3)
        onsets.append(at)
    said = heard(onsets)
    assert sum(grid is not None for _, grid in said) < 0.1 * len(said)


@pytest.mark.parametrize("seed", range(8))
def test_rubato_has_no_beat(seed):
    """Eighths whose tempo wanders by a tenth from note to note."""
    random = Random(seed)
    onsets, at, step = [], 0.0, 0.35
    for _ in range(200):
        step = min(max(step * random.lognormvariate(0, 0.18), 0.12), 1.2)
        at += step
        onsets.append(at)
    said = heard(onsets)
    assert sum(grid is not None for _, grid in said) < 0.2 * len(said)


def test_nothing_heard_is_no_beat():
    listener = TempoListener()
    assert listener.grid(10.0) is None
    listener.onset(10.0)
    listener.onset(10.5)
    assert listener.grid(10.6) is None


def test_chords_are_one_onset():
    single = played(SYNCOPATED, 104, 24, bar=4)
    alone, chords = TempoListener(), TempoListener()
    heard(single, alone)
    heard([at + late for at in single for late in (0.0, 0.012, 0.03)], chords)
    now = single[-1] + 0.2
    assert chords.grid(now).period == pytest.approx(alone.grid(now).period, rel=1e-3)


def test_beats_are_counted_on():
    said = [(now, grid) for now, grid in heard(played(EIGHTHS, 100, 48, jitter=0.01)) if grid]
    places = [grid.beat_at(now) for now, grid in said]
    assert all(0 < after - before < 0.4 for before, after in pairwise(places))


def test_the_grid_has_the_bar_that_was_asked_for():
    assert heard(played(EIGHTHS, 100, 24), TempoListener(bar=3))[-1][1].bar == 3


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(0, 8), max_size=60))
def test_whatever_is_played_the_tempo_is_within_bounds(steps):
    listener, at = TempoListener(), 0.0
    for step in steps:
        at += step
        listener.onset(at)
        grid = listener.grid(at + 0.04)
        assert grid is None or 49 <= grid.bpm <= 211
