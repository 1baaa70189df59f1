from hypothesis import given
from hypothesis import strategies as st

from improv.events import Note
from improv.listen.tracker import Onset, Release
from improv.listen.window import NoteWindow


def test_a_note_enters_at_its_onset_with_its_duration_so_far():
    window = NoteWindow()
    window.feed(Onset(1, 1.0, 60, 80))
    assert window.notes(1.25) == [Note(60, 80, 1.0, 0.25)]


def test_a_duration_is_corrected_when_the_note_ends():
    window = NoteWindow()
    window.feed(Onset(1, 1.0, 60, 80))
    window.feed(Onset(2, 1.5, 64, 80))
    window.feed(Release(1, 2.0))
    assert window.notes(3.0) == [Note(60, 80, 1.0, 1.0), Note(64, 80, 1.5, 1.5)]


def test_only_the_last_notes_stay():
    window = NoteWindow(size=3)
    for number in range(1, 6):
        window.feed(Onset(number, float(number), 60 + number, 80))
    assert [note.pitch for note in window.notes(9.0)] == [63, 64, 65]


def test_the_end_of_a_note_that_has_left_changes_nothing():
    window = NoteWindow(size=1)
    window.feed(Onset(1, 1.0, 60, 80))
    window.feed(Onset(2, 1.1, 62, 80))
    before = window.revision
    window.feed(Release(1, 2.0))
    assert window.revision == before


def test_a_late_counted_note_is_sorted_in_by_its_onset():
    window = NoteWindow()
    window.feed(Onset(1, 1.2, 64, 80))
    window.feed(Onset(2, 1.0, 60, 10))
    assert [note.pitch for note in window.notes(2.0)] == [60, 64]


@given(st.lists(st.integers(0, 1), max_size=120))
def test_every_change_of_the_notes_is_a_new_revision(kinds):
    window, seen, number, open_notes = NoteWindow(), {}, 0, []
    for index, kind in enumerate(kinds):
        at = index * 0.1
        if kind or not open_notes:
            number += 1
            open_notes.append(number)
            window.feed(Onset(number, at, 60 + number % 12, 80))
        else:
            window.feed(Release(open_notes.pop(0), at))
        notes = tuple(window.notes(1000.0))
        assert seen.setdefault(window.revision, notes) == notes
        assert len(notes) <= 25
