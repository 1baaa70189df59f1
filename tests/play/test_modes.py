"""The modes: when the machine plays next, and for how long."""

from dataclasses import replace
from typing import get_args

import pytest

from improv.beat import Grid
from improv.listen.phrase import Call
from improv.play.modes import (
    AHEAD_S,
    DUET_NOTES,
    LINGER_S,
    POLICIES,
    TRADE_AHEAD_S,
    TRANSITIONS,
    Cue,
    Scene,
    answer,
    duet,
    lateness,
    listen,
    moved,
    solo,
    trade,
)
from improv.play.turns import LEAD_S, STALE_S, AnswerLimits
from improv.settings import Mode

CALL = Call(3, 10.0, 13.1, 9, (80,))
FREE = Scene(now=13.2, call=CALL, deadline=13.9, grid=None, every=1.0, limits=AnswerLimits())
GRID = Grid(at=0.0, beat=0.0, period=0.5)
TIMED = replace(FREE, grid=GRID)


def test_every_mode_has_a_policy_and_every_change_of_mode_a_rule():
    modes = set(get_args(Mode))
    assert set(POLICIES) == modes
    assert set(TRANSITIONS) == modes
    assert all(set(row) == modes for row in TRANSITIONS.values())


@pytest.mark.parametrize("mode", POLICIES)
def test_nobody_plays_before_the_player_has(mode):
    assert POLICIES[mode](replace(TIMED, call=None, deadline=None, origin=0.0)) is None


def test_an_answer_comes_when_the_phrase_has_ended_and_is_as_long():
    cue = answer(FREE)
    assert (cue.number, cue.start, cue.length) == (3, 13.9, pytest.approx(3.1))
    assert cue.yields


def test_with_a_beat_an_answer_begins_on_the_next_line_and_fills_whole_beats():
    assert (answer(TIMED).start, answer(TIMED).length) == (14.0, 3.0)
    assert answer(replace(TIMED, every=4.0)).start == 14.0
    assert answer(replace(TIMED, every=4.0, deadline=14.1)).start == 16.0
    long = replace(CALL, end=17.3)
    assert answer(replace(TIMED, call=long)).length == 8.0  # 14.6 beats: four bars


def test_a_phrase_is_answered_once():
    assert answer(replace(FREE, spent=3)) is None


def test_a_solo_begins_like_an_answer_and_goes_on_a_part_at_a_time():
    first = solo(FREE)
    assert (first.start, first.number, first.opens, first.joins) == (13.9, -3, True, False)
    then = solo(replace(FREE, spent=3, parts=1, until=14.9))
    assert (then.start, then.number, then.opens, then.joins) == (14.9, 2, False, True)
    assert then.ask_at == pytest.approx(14.9 - AHEAD_S)
    assert then.yields


def test_a_solo_asked_for_in_silence_begins_at_once():
    assert solo(replace(FREE, now=60.0)).start == pytest.approx(60.0 + LEAD_S)


def test_a_duet_plays_while_the_player_does_and_gives_way_to_nobody():
    cue = duet(FREE)
    assert cue.start == pytest.approx(13.2 + AHEAD_S)
    assert (cue.yields, cue.streams) == (False, True)
    assert duet(replace(FREE, call=replace(CALL, notes=DUET_NOTES - 1))) is None
    assert duet(replace(FREE, now=13.9 + LINGER_S + 0.1, until=15.0)) is None
    assert duet(replace(FREE, until=13.5, parts=4)).number == 5


def test_a_trade_takes_bars_in_turn():
    scene = replace(TIMED, origin=8.0, span=8.0)  # the player: 4 to 8 s; ours: 8 to 12 s …
    assert (trade(replace(scene, now=5.0)).start, trade(replace(scene, now=5.0)).number) == (8.0, 1)
    assert trade(replace(scene, now=8.1)).start == 16.0
    assert trade(replace(scene, now=13.0)).ask_at == 16.0 - TRADE_AHEAD_S
    assert trade(replace(scene, now=13.0)).length == 4.0
    assert not trade(scene).yields
    assert trade(replace(scene, grid=None)) is None
    assert trade(replace(scene, origin=None)) is None


def test_whoever_listens_is_silent():
    assert listen(TIMED) is None


def test_what_is_ready_in_time_is_not_moved():
    assert lateness(Cue(1, 14.0, 2.0), replace(FREE, now=13.9)) == 0.0


def test_what_is_late_moves_as_a_whole_and_what_is_stale_is_dropped():
    assert lateness(Cue(1, 5.0, 2.0), replace(FREE, now=5.5)) == pytest.approx(0.5 + LEAD_S)
    assert lateness(Cue(1, 5.0, 2.0), replace(FREE, now=5.0 + STALE_S)) is None


def test_what_is_late_waits_for_the_next_beat_or_bar():
    assert lateness(Cue(1, 14.0, 2.0), replace(TIMED, now=14.1)) == 0.5
    assert lateness(Cue(1, 14.0, 2.0), replace(TIMED, now=14.1, every=4.0)) == 2.0
    assert lateness(Cue(1, 14.0, 2.0), replace(TIMED, now=16.5)) is None


def test_a_part_of_a_stream_is_never_too_late():
    cue = Cue(7, 14.0, 1.0, streams=True, joins=True)
    assert lateness(cue, replace(FREE, now=19.0)) == pytest.approx(5.0 + LEAD_S)
    assert lateness(cue, replace(TIMED, now=19.1)) == pytest.approx(5.5)


def test_what_was_thought_of_for_a_beat_keeps_to_it_when_the_tempo_moves():
    cue = Cue(3, 14.0, 2.0)
    faster = Grid(at=13.0, beat=26.0, period=0.4)
    assert moved(cue, GRID, faster).start == pytest.approx(faster.time_at(28))
    assert moved(cue, None, faster) is moved(cue, GRID, None) is moved(cue, GRID, GRID) is cue
