import numpy as np

from improv.train.corpus import VALIDATION
from improv.train.passages import CONTEXT, asked, evenly, questions

from .music import corpus, noise

LENGTHS = (150, 20, 26, 400, 130)
MADE = corpus(*(noise(length, length) for length in LENGTHS), held_out=5)


def test_every_note_with_25_before_it_is_asked_for_once():
    these = questions(MADE, VALIDATION, None, (1,), 10)
    expected = [
        start + at
        for start, length in zip((0, 170, 196, 596), (150, 26, 400, 130), strict=True)
        for at in range(25, length)
    ]
    found = [np.flatnonzero((MADE.notes == note).all(axis=1))[0] for note in these.music.notes[these.targets]]
    assert found == expected
    assert np.bincount(these.target_files).tolist() == [length - CONTEXT for length in (150, 26, 400, 130)]


def test_the_same_notes_are_asked_for_after_fewer_before():
    these = questions(MADE, VALIDATION, None, (1, 3, 100), 40)
    assert {before: windows.shape for before, windows in these.windows.items()} == {
        1: (40, 2, 4),
        3: (40, 4, 4),
        100: (40, 101, 4),
    }
    for windows in these.windows.values():
        assert np.array_equal(windows[:, -2:], these.windows[1])
    # From files that have so many, and all of them.
    assert set(these.files.tolist()) == {0, 2, 3}
    starts = these.music.starts[these.files]
    for window, start, end in zip(these.windows[100], starts, these.music.ends[these.files], strict=True):
        (at,) = np.flatnonzero((these.music.notes[start:end] == window[-1]).all(axis=1))
        assert np.array_equal(these.music.notes[start + at - 100 : start + at + 1], window)


def test_questions_as_passages():
    these = questions(MADE, VALIDATION, None, (1, 3), 40)
    kinds = asked(these)
    assert set(kinds) == {None, 1, 3}
    assert len(kinds[None].rows) == len(these.targets)
    for before, question in kinds.items():
        notes = these.music.notes[these.targets] if before is None else these.windows[before][:, -1]
        assert np.array_equal(question.passages.bins[question.rows, 1], notes[:, 0])


def test_some_files_are_enough():
    these = questions(MADE, VALIDATION, 2, (1,), 10)
    assert np.bincount(these.target_files).tolist() == [150 - CONTEXT, 130 - CONTEXT]
    assert len(asked(these)[None].rows) == len(these.targets)
    assert set(these.files.tolist()) <= {0, 1}


def test_evenly():
    assert evenly(10, 3).tolist() == [0, 4, 9]
    assert evenly(3, 10).tolist() == [0, 1, 2]
    assert evenly(0, 10).tolist() == []
