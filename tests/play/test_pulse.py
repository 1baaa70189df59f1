from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from improv.beat import Grid
from improv.play.pulse import Pulse

TICK, START, CONTINUE, STOP, POSITION = 0xF8, 0xFA, 0xFB, 0xFC, 0xF2
SECOND = Grid(0.0, 0.0, 24.0)  # a tick a second: tick n at n seconds


def run(pulse, until, look=None):
    """Return (due, status) of what leaves up to `until`, the pulse being looked at whenever something is due."""
    sent = []
    while (due := pulse.next_due()) <= until:
        sent += [(due, data[0]) for due, data in pulse.pop_due(due if look is None else look(due))]
    return sent


def statuses(messages):
    return [data[0] if isinstance(data, bytes) else data for _, data in messages]


def test_without_a_grid_nothing_is_due():
    pulse = Pulse()
    assert pulse.next_due() == inf
    assert pulse.pop_due(9.0) == []
    assert pulse.lead(1.0, None, running=True) == []
    assert not pulse.is_leading


def test_ticks_fall_on_the_grid_24_to_a_beat():
    pulse = Pulse()
    assert pulse.lead(10.1, Grid(10.0, 3.0, 0.5), running=False) == []
    ticks = run(pulse, 11.0)
    assert statuses(ticks) == [TICK] * len(ticks)
    assert [due for due, _ in ticks] == pytest.approx([10.0 + n * 0.5 / 24 for n in range(5, 49)])


def test_followers_start_with_the_first_tick_of_a_bar():
    pulse = Pulse()
    assert pulse.lead(90.5, SECOND, running=True) == []
    assert run(pulse, 97.0) == [*[(n, TICK) for n in range(91, 96)], (95.0, START), (96.0, TICK), (97.0, TICK)]


def test_followers_start_at_once_when_the_next_tick_is_a_bar_line():
    pulse = Pulse()
    assert pulse.lead(95.5, SECOND, running=True) == [(95.5, bytes((START,)))]
    pulse = Pulse()
    assert pulse.lead(0.0, SECOND, running=True) == [(0.0, bytes((START,)))]
    assert run(pulse, 0.0) == [(0.0, TICK)]


def test_bars_are_as_long_as_the_grid_says():
    pulse = Pulse()
    pulse.lead(1.0, Grid(0.0, 0.0, 24.0, bar=3), running=True)
    assert (71.0, START) in run(pulse, 80.0)


def test_stopped_followers_get_ticks_all_the_same_and_can_start_again():
    pulse = Pulse()
    pulse.lead(0.0, SECOND, running=True)
    run(pulse, 10.0)
    assert pulse.lead(10.5, SECOND, running=False) == [(10.5, bytes((STOP,)))]
    assert run(pulse, 12.0) == [(11.0, TICK), (12.0, TICK)]
    assert pulse.lead(12.5, SECOND, running=True) == []
    assert pulse.lead(12.6, SECOND, running=False) == [], "nobody had started"
    pulse.lead(12.7, SECOND, running=True)
    assert (95.0, START) in run(pulse, 96.0)
    assert pulse.lead(96.5, None, running=True) == [(96.5, bytes((STOP,)))]
    assert pulse.next_due() == inf


def test_another_tempo_goes_on_with_the_next_tick():
    pulse = Pulse()
    pulse.lead(0.0, SECOND, running=True)
    run(pulse, 10.0)
    assert pulse.lead(10.25, Grid(10.25, 10.25 / 24, 12.0), running=True) == []
    assert run(pulse, 11.7) == [(10.625, TICK), (11.125, TICK), (11.625, TICK)]


def test_a_grid_that_moves_a_little_costs_no_tick_and_sends_none_too_close():
    pulse = Pulse()
    pulse.lead(0.0, SECOND, running=True)
    run(pulse, 10.0)
    assert pulse.lead(10.1, Grid(-2.0, 0.0, 24.0), running=True) == [], "the grid is two ticks further"
    assert run(pulse, 13.2) == [(n, TICK) for n in (10.5, 11.0, 11.5, 12.0, 13.0)]
    assert pulse.lead(13.2, Grid(1.0, 0.0, 24.0), running=True) == [], "and three ticks back"
    assert run(pulse, 18.5) == [(17.0, TICK), (18.0, TICK)]


@pytest.mark.parametrize("to", [200.0, -300.0, 1000.0])
def test_a_grid_that_jumps_takes_the_followers_to_the_next_sixteenth(to):
    pulse = Pulse()
    pulse.lead(0.0, SECOND, running=True)
    run(pulse, 400.0)
    grid = Grid(400.25, (400 + to + 0.25) / 24, 24.0)
    assert pulse.lead(400.25, grid, running=True) == [(400.25, bytes((STOP,)))]
    sent = []
    while POSITION not in statuses(sent):
        sent += pulse.pop_due(pulse.next_due())
    *ticks, (_, position), (_, go) = sent
    assert go == bytes((CONTINUE,))
    first = (position[1] | position[2] << 7) * 6
    assert grid.time_at(first / 24) == pytest.approx(pulse.next_due())
    assert 0 <= first - (400 + to) <= 6
    assert statuses(ticks) == [TICK] * len(ticks)


def test_a_place_that_midi_cannot_tell_is_started_from_at_the_bar():
    pulse = Pulse()
    pulse.lead(0.0, SECOND, running=True)
    run(pulse, 10.0)
    pulse.lead(10.25, Grid(10.25, -7.5, 24.0), running=True)
    sent = run(pulse, 100.0)
    assert POSITION not in statuses(sent)
    start = next(due for due, status in sent if status == START)
    assert Grid(10.25, -7.5, 24.0).beat_at(start + 1) == pytest.approx(-4.0)


def test_a_short_stall_is_made_up_for_without_a_heap():
    pulse = Pulse()
    pulse.lead(0.0, SECOND, running=True)
    run(pulse, 10.0)
    sent = pulse.pop_due(13.3)
    assert sent == [(11.0, bytes((TICK,)))]
    assert run(pulse, 17.0) == [(13.8, TICK), (14.3, TICK), (14.8, TICK), (15.3, TICK), (16.0, TICK), (17.0, TICK)]


def test_after_a_long_stall_followers_are_put_in_their_place():
    pulse = Pulse()
    pulse.lead(0.0, SECOND, running=True)
    run(pulse, 10.0)
    assert pulse.pop_due(31.5) == [(31.5, bytes((STOP,)))]
    sent = run(pulse, 37.0)
    assert statuses(sent) == [TICK] * 4 + [POSITION, CONTINUE] + [TICK] * 2
    assert [due for due, status in sent if status == TICK] == [32, 33, 34, 35, 36, 37]
    pulse.lead(37.5, SECOND, running=False)
    assert pulse.pop_due(80.5) == [], "who does not run need not be stopped"
    assert run(pulse, 82.0) == [(81.0, TICK), (82.0, TICK)]


class Follower:
    """Counts as a sequencer does: from a start, or from a song position."""

    def __init__(self):
        self.next = 0  # the tick that comes next, by our count
        self.is_running = False
        self.last = -inf

    def hear(self, now, data, period):
        match data[0]:
            case 0xF8:
                assert now - self.last >= period / 48 - 1e-9
                self.last = now
                self.next += self.is_running
            case 0xF2:
                assert not self.is_running
                self.next = (data[1] | data[2] << 7) * 6
            case 0xFA | 0xFB:
                assert not self.is_running
                self.next, self.is_running = 0 if data[0] == START else self.next, True
            case 0xFC:
                assert self.is_running
                self.is_running = False


GRIDS = st.builds(Grid, st.floats(-5, 5), st.floats(-8, 8), st.floats(0.3, 1.0), st.just(4))
STEPS = st.lists(st.tuples(st.floats(0, 1.5), st.none() | GRIDS, st.booleans(), st.just(0.0) | st.floats(0, 0.3)))


@settings(deadline=None)
@given(STEPS)
def test_whatever_is_asked_followers_end_where_the_grid_is(steps):
    pulse, follower, grid, now = Pulse(), Follower(), None, 0.0
    for gap, wanted, running, stall in [*steps, (0.0, Grid(0.0, 0.0, 0.5), True, 0.0), (30.0, None, False, 0.0)]:
        end = now + gap
        while (due := pulse.next_due()) <= end:
            now = max(now, due) + stall
            for _, data in pulse.pop_due(now):
                follower.hear(now, data, grid.period)
        now = max(now, end)
        if gap == 30.0:
            break
        for _, data in pulse.lead(now, wanted, running=running):
            follower.hear(now, data, inf)
        grid = wanted
    assert follower.is_running
    bars = (grid.beat_at(now) - follower.next / 24) / 4
    assert abs(bars - round(bars)) <= 1.01 / 96
