"""The beat as a value."""

import pytest

from improv.beat import Grid

GRID = Grid(at=10.0, beat=4.0, period=0.5, bar=3)


def test_places_and_moments_are_inverse() -> None:
    assert GRID.time_at(6) == pytest.approx(11.0)
    assert GRID.beat_at(GRID.time_at(7.25)) == pytest.approx(7.25)


def test_the_tempo_is_beats_a_minute() -> None:
    assert GRID.bpm == pytest.approx(120)


@pytest.mark.parametrize(("at", "every", "beat"), [(10.0, 1, 4), (10.01, 1, 5), (10.01, 3, 6), (9.6, 0.5, 3.5)])
def test_the_next_beat_is_never_before(at: float, every: float, beat: float) -> None:
    found = GRID.next(at, every)
    assert found == beat
    assert isinstance(found, float)  # a bar has a whole number of beats, a record has not


def test_rounding_costs_no_beat() -> None:
    grid = Grid(at=0.1, beat=0, period=0.1)
    assert grid.next(grid.time_at(3)) == 3


def test_a_moment_moves_with_the_tempo_and_keeps_its_place() -> None:
    slower = Grid(at=11.0, beat=6.0, period=0.6, bar=3)
    assert GRID.moves(11.5, slower) == pytest.approx(11.6)


def test_a_song_that_goes_back_moves_no_moment() -> None:
    again = Grid(at=12.0, beat=-8.0, period=0.5, bar=3)
    assert GRID.moves(12.75, again) == pytest.approx(12.75)
    later = Grid(at=12.1, beat=-8.0, period=0.5, bar=3)  # in another phase
    assert GRID.moves(12.75, later) == pytest.approx(12.85)
