from improv.events import ControlChange, NoteOff, NoteOn
from improv.listen.tracker import NoteTracker, Onset, Release


def test_a_key_is_an_onset_and_its_coming_up_a_release():
    tracker = NoteTracker()
    assert tracker.feed(1.0, "in", NoteOn(60, 80)) == [Onset(1, 1.0, 60, 80)]
    assert tracker.held == [60]
    assert tracker.feed(1.4, "in", NoteOff(60)) == [Release(1, 1.4)]
    assert tracker.held == []


def test_a_note_off_without_its_note_on_is_nothing():
    assert NoteTracker().feed(1.0, "in", NoteOff(60)) == []


def test_a_repeat_before_the_off_ends_the_first_note():
    tracker = NoteTracker()
    tracker.feed(1.0, "in", NoteOn(60, 80))
    assert tracker.feed(1.5, "in", NoteOn(60, 90)) == [Release(1, 1.5), Onset(2, 1.5, 60, 90)]


def test_the_same_pitch_on_two_ports_or_channels_is_two_notes():
    tracker = NoteTracker()
    tracker.feed(1.0, "one", NoteOn(60, 80))
    tracker.feed(1.1, "two", NoteOn(60, 80))
    tracker.feed(1.2, "two", NoteOn(60, 80, channel=3))
    assert tracker.feed(1.3, "one", NoteOff(60)) == [Release(1, 1.3)]
    assert tracker.held == [60, 60]


def test_the_pedal_keeps_a_released_note_sounding_but_not_held():
    tracker = NoteTracker()
    tracker.feed(0.0, "in", ControlChange(64, 64))
    tracker.feed(1.0, "in", NoteOn(60, 80))
    tracker.feed(1.4, "in", NoteOff(60))
    assert (tracker.held, tracker.sounding) == ([], [60])
    tracker.feed(2.0, "in", ControlChange(64, 63))
    assert tracker.sounding == []


def test_a_ghost_note_is_nothing():
    tracker = NoteTracker(ghost_velocity=12, ghost_s=0.06)
    assert tracker.feed(1.0, "in", NoteOn(60, 11)) == []
    assert tracker.held == []
    assert tracker.feed(1.05, "in", NoteOff(60)) == []


def test_a_soft_note_that_stays_is_an_onset_at_its_own_time():
    tracker = NoteTracker(ghost_velocity=12, ghost_s=0.06)
    tracker.feed(1.0, "in", NoteOn(60, 11))
    assert tracker.settle(1.05) == []
    assert tracker.feed(1.2, "in", NoteOff(60)) == [Onset(1, 1.0, 60, 11), Release(1, 1.2)]


def test_a_soft_note_counts_at_the_very_moment_the_gate_says_so():
    for place in range(200):
        onset = 1000.0 + place * 0.0137
        tracker = NoteTracker(ghost_velocity=12, ghost_s=0.06)
        tracker.feed(onset, "in", NoteOn(60, 11))
        assert tracker.settle(onset + 0.06)


def test_a_lost_port_releases_what_was_held():
    tracker = NoteTracker()
    tracker.feed(1.0, "in", NoteOn(60, 80))
    tracker.feed(1.1, "in", NoteOn(64, 80))
    assert tracker.release_all(2.0) == [Release(1, 2.0), Release(2, 2.0)]
    assert (tracker.held, tracker.sounding) == ([], [])
