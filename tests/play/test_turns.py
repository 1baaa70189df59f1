import pytest

from improv.events import Note
from improv.listen.phrase import Call
from improv.play.turns import LEAD_S, STALE_S, Answer, AnswerLimits, lateness, timed


def call(length: float) -> Call:
    return Call(1, 10.0, 10.0 + length, 1, (80,))


@pytest.mark.parametrize(("length", "answered"), [(0.2, 1.0), (3.0, 3.0), (30.0, 8.0)])
def test_an_answer_is_as_long_as_the_call_within_limits(length, answered):
    assert AnswerLimits(1.0, 8.0).length(call(length)) == pytest.approx(answered)


def test_an_answer_that_is_ready_in_time_is_not_moved():
    assert lateness(deadline=5.0, now=4.0) == 0.0


def test_a_late_answer_moves_as_a_whole_and_a_stale_one_is_dropped():
    assert lateness(deadline=5.0, now=5.5) == pytest.approx(0.5 + LEAD_S)
    assert lateness(deadline=5.0, now=5.0 + STALE_S) is None


def test_a_timed_answer_has_offs_before_ons():
    answer = Answer(1, 1, (Note(60, 80, 0.0, 0.5), Note(60, 70, 0.5, 0.25)))
    assert timed(answer, 2.0, channel=1) == (
        (2.0, b"\x91\x3c\x50"),
        (2.5, b"\x81\x3c\x40"),
        (2.5, b"\x91\x3c\x46"),
        (2.75, b"\x81\x3c\x40"),
    )
    assert answer.length == 0.75
