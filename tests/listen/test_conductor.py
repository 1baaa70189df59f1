"""Of all that could give the beat, which does."""

from dataclasses import replace
from math import inf

import pytest

from improv.beat import Grid
from improv.events import CLOCK, START, STOP, Realtime
from improv.listen.conductor import Conductor
from improv.settings import Controls

PERIOD = 0.5


def clocked(conductor: Conductor, beats: float, start: float = 10.0) -> float:
    """Start a clock of 120 bpm and let it run; return when the last tick came."""
    conductor.feed(start - 0.001, "daw", Realtime(START))
    at = start
    for tick in range(int(beats * 24)):
        at = start + tick * PERIOD / 24
        conductor.feed(at, "daw", Realtime(CLOCK))
        conductor.grid(at)
    return at


def test_time_is_free_until_something_gives_a_beat():
    conductor = Conductor(Controls())
    assert conductor.grid(1.0) is None
    assert (conductor.source, conductor.wake_at(1.0)) == ("free", inf)


def test_a_clock_gives_the_beat_while_it_runs():
    conductor = Conductor(Controls(beats_per_bar=3))
    at = clocked(conductor, 8)
    grid = conductor.grid(at)
    assert grid is not None
    assert (conductor.source, grid.bar) == ("clock", 3)
    assert grid.bpm == pytest.approx(120, abs=0.1)
    assert grid.beat_at(10.0) == pytest.approx(0, abs=0.01)
    conductor.feed(at + 0.01, "daw", Realtime(STOP))
    assert conductor.grid(at + 0.02) is None


def test_a_clock_that_falls_silent_is_noticed_without_an_event():
    conductor = Conductor(Controls())
    at = clocked(conductor, 8)
    assert at < conductor.wake_at(at) < at + 1.1
    assert conductor.grid(at + 3.0) is None


def test_a_beat_that_hardly_moves_is_the_same_value():
    conductor = Conductor(Controls())
    at = clocked(conductor, 16)
    grid = conductor.grid(at)
    conductor.feed(at + PERIOD / 24 + 0.0001, "daw", Realtime(CLOCK))
    assert conductor.grid(at + PERIOD / 24 + 0.0001) is grid


def test_who_asks_for_free_time_has_it_even_with_a_clock():
    conductor = Conductor(Controls(tempo="free"))
    assert conductor.grid(clocked(conductor, 8)) is None


def test_taps_give_the_internal_beat_its_tempo_and_its_place():
    conductor = Conductor(Controls())
    told = [conductor.tap(20.0 + PERIOD * tap) for tap in range(4)]
    assert told[0] is None
    assert told[-1] == pytest.approx(120, abs=0.5)
    grid = conductor.grid(22.0)
    assert conductor.source == "internal"
    assert abs(grid.beat_at(21.5) - round(grid.beat_at(21.5))) < 0.02


def test_the_internal_beat_begins_with_the_player_and_keeps_its_place_at_another_tempo():
    controls = Controls(tempo="internal", bpm=120)
    conductor = Conductor(controls)
    assert conductor.grid(4.0) is None
    conductor.onset(5.0)
    assert conductor.grid(5.0) == Grid(5.0, 0.0, 0.5, 4)
    conductor.set(replace(controls, bpm=60), 7.0)
    grid = conductor.grid(7.0)
    assert (grid.beat_at(7.0), grid.period) == (4.0, 1.0)


def test_a_beat_that_was_there_goes_on_until_it_is_forgotten():
    conductor = Conductor(Controls())
    conductor.resume(Grid(3.0, -4.0, 0.5))
    assert conductor.grid(2.9).time_at(0) == 5.0
    conductor.forget()
    assert conductor.grid(3.0) is None


def test_a_beat_that_was_tapped_gives_way_when_another_source_is_chosen():
    conductor = Conductor(Controls())
    conductor.resume(Grid(3.0, 0.0, 0.5))
    conductor.set(Controls(tempo="playing"), 4.0)
    conductor.set(Controls(tempo="auto"), 5.0)
    assert conductor.grid(5.0) is None


def test_a_steady_player_gives_the_beat_and_a_free_one_none():
    conductor = Conductor(Controls())
    at = 0.0
    for eighth in range(64):
        at = 30.0 + eighth * PERIOD / 2
        for _ in range(3 if eighth % 2 == 0 else 1):
            conductor.onset(at)
        conductor.grid(at)
    assert conductor.grid(at).bpm == pytest.approx(120, rel=0.03)
    assert conductor.source == "playing"
