import pytest
from hypothesis import given
from hypothesis import strategies as st

from improv.listen.phrase import PhraseListener, Silence
from improv.listen.tracker import Onset, Release


def play(listener: PhraseListener, *notes: tuple[float, float], first: int = 1) -> None:
    """Feed notes given as (onset, release), in order of time."""
    changes = []
    for number, (onset, release) in enumerate(notes, start=first):
        changes.append(Onset(number, onset, 60, 80))
        changes.append(Release(number, release))
    for change in sorted(changes, key=lambda change: change.at):
        listener.feed(change)


def test_nothing_has_been_played():
    listener = PhraseListener(Silence())
    assert listener.deadline is None
    assert listener.call is None


def test_the_phrase_ends_a_threshold_after_the_last_release():
    listener = PhraseListener(Silence(fixed=0.7))
    play(listener, (1.0, 1.4), (1.5, 2.0))
    assert listener.deadline == pytest.approx(2.7)
    call = listener.call
    assert (call.start, call.end, call.length) == (1.0, 2.0, 1.0)


def test_a_held_key_keeps_the_phrase_open_until_it_is_a_drone():
    listener = PhraseListener(Silence(fixed=0.7, drone=4.0))
    listener.feed(Onset(1, 1.0, 60, 80))
    assert listener.deadline == 5.0
    listener.feed(Release(1, 2.0))
    assert listener.deadline == pytest.approx(2.7)


def test_a_lost_note_off_does_not_hold_up_the_next_phrase():
    listener = PhraseListener(Silence(fixed=0.7, drone=4.0))
    listener.feed(Onset(1, 1.0, 60, 80))
    play(listener, (6.0, 6.5), first=2)
    assert listener.call.number == 2
    assert listener.deadline == pytest.approx(7.2)


def test_letting_go_of_a_drone_does_not_open_the_phrase_again():
    listener = PhraseListener(Silence(fixed=0.7, drone=4.0))
    listener.feed(Onset(1, 1.0, 60, 80))
    listener.feed(Release(1, 6.0))
    assert listener.deadline == 5.0
    listener.feed(Onset(2, 6.2, 62, 80))
    assert listener.call.number == 2


def test_the_answer_looks_back_on_the_last_notes_of_a_phrase_that_goes_on_and_on():
    listener = PhraseListener(Silence(fixed=0.7))
    play(listener, *((n * 0.1, n * 0.1 + 0.05) for n in range(1000)))
    assert listener.call.notes == 1000
    assert len(listener.call.velocities) < 1000


def test_a_note_before_the_deadline_goes_on_with_the_phrase_and_one_after_it_begins_another():
    listener = PhraseListener(Silence(fixed=0.7))
    play(listener, (1.0, 1.4), (2.0, 2.2))
    assert listener.call.number == 1
    play(listener, (3.0, 3.2), first=3)
    assert listener.call.number == 2
    assert listener.call.velocities == (80,)


def test_nobody_is_known_at_first():
    listener = PhraseListener(Silence())
    play(listener, (0.0, 0.1), (0.2, 0.3), (0.4, 0.5))
    assert listener.threshold == 0.8


def test_a_quick_player_is_answered_sooner_than_a_slow_one():
    quick, slow = PhraseListener(Silence()), PhraseListener(Silence())
    play(quick, *((n * 0.12, n * 0.12 + 0.1) for n in range(40)))
    play(slow, *((n * 0.6, n * 0.6 + 0.3) for n in range(40)))
    assert quick.threshold < 0.6
    assert slow.threshold > 0.8


def test_who_ties_all_notes_is_answered_sooner_than_who_detaches_them():
    tied, detached = PhraseListener(Silence()), PhraseListener(Silence())
    play(tied, *((n * 0.4, n * 0.4 + 0.42) for n in range(40)))
    play(detached, *((n * 0.4, n * 0.4 + 0.1) for n in range(40)))
    assert tied.threshold == 0.4
    assert detached.threshold > 2 * tied.threshold


def test_a_note_held_long_is_answered_sooner():
    short, long = PhraseListener(Silence()), PhraseListener(Silence())
    for listener, last in ((short, 0.2), (long, 1.5)):
        play(listener, *((n * 0.4, n * 0.4 + 0.2) for n in range(40)))
        play(listener, (16.0, 16.0 + last), first=41)
    assert long.threshold < short.threshold


def test_a_player_who_is_cut_off_is_given_more_time():
    listener = PhraseListener(Silence())
    play(listener, *((n * 0.2, n * 0.2 + 0.15) for n in range(30)))
    before = listener.threshold
    onset = listener.deadline + 0.2
    play(listener, (onset, onset + 0.15), first=31)
    assert listener.call.number == 2
    assert listener.threshold > 1.2 * before


def test_a_player_who_begins_again_after_the_answer_has_ended_a_phrase():
    listener, other = PhraseListener(Silence()), PhraseListener(Silence())
    for each, pause in ((listener, 1.0), (other, 9.0)):
        play(each, *((n * 0.2, n * 0.2 + 0.15) for n in range(30)))
        onset = each.deadline + pause
        play(each, (onset, onset + 0.15), first=31)
    assert listener.threshold == pytest.approx(other.threshold)


def test_chords_say_nothing_of_the_pace():
    rolled, single = PhraseListener(Silence()), PhraseListener(Silence())
    for n in range(8):
        play(rolled, *((n * 0.4 + k * 0.01, n * 0.4 + 0.3) for k in range(3)), first=1 + n * 3)
    play(single, *((n * 0.4, n * 0.4 + 0.3) for n in range(8)))
    assert rolled.threshold == pytest.approx(single.threshold, abs=0.05)


def test_a_pedal_ends_the_phrase_at_once_even_with_a_key_down():
    listener = PhraseListener(Silence())
    listener.feed(Onset(1, 1.0, 60, 80))
    listener.end(1.6)
    assert listener.deadline == 1.6
    assert listener.call.end == 1.6


def test_a_pedal_in_silence_ends_nothing():
    listener = PhraseListener(Silence(fixed=0.5))
    listener.end(0.5)
    assert listener.deadline is None
    play(listener, (1.0, 1.2))
    listener.end(3.0)
    assert listener.deadline == pytest.approx(1.7)


@given(st.lists(st.floats(0.001, 5.0), min_size=1, max_size=60))
def test_the_threshold_stays_within_its_bounds(steps):
    listener, at = PhraseListener(Silence(shortest=0.4, longest=1.5)), 0.0
    for number, step in enumerate(steps, start=1):
        at += step
        listener.feed(Onset(number, at, 60, 80))
        listener.feed(Release(number, at + step / 2))
        assert 0.4 <= listener.threshold <= 1.5
        assert listener.deadline >= at
