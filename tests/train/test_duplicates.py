import numpy as np
import pytest

from improv.train.corpus import TRAIN, VALIDATION, Corpus
from improv.train.duplicates import SAME_BYTES, SAME_NOTES, SHARED, Duplicate, duplicates

RNG = np.random.default_rng(5)


def music(count=200, seed=None):
    """Return notes that nobody else has."""
    rng = RNG if seed is None else np.random.default_rng(seed)
    notes = np.empty((count, 4), np.float32)
    notes[:, 0] = rng.integers(30, 90, count)
    notes[:, 1] = rng.uniform(0.1, 0.5, count)
    notes[:, 2], notes[:, 3] = 0.2, 64
    notes[0, 1] = 0
    return notes


def corpus(name, *files):
    """Return a corpus of (name, split, hash, notes)."""
    names, splits, hashes, notes = zip(*files, strict=True)
    bounds = np.cumsum([0, *map(len, notes)])
    return Corpus(name, "MIT", np.concatenate(notes), bounds, splits, {}, (), names, hashes)


def test_the_same_bytes_are_found_however_short():
    notes = music(3)
    found = duplicates([corpus("a", ("1", TRAIN, "x", notes), ("2", VALIDATION, "x", notes), ("3", TRAIN, "y", notes))])
    assert found == [Duplicate("a: 2", VALIDATION, "a: 1", SAME_BYTES)]


def test_the_same_notes_are_found_under_another_name_at_another_time_and_loudness():
    notes, other = music(), music()
    copy = notes.copy()
    copy[:, 1:3] *= 1.3
    copy[:, 3] += 20
    files = [("1", TRAIN, "x", other), ("2", TRAIN, "y", notes), ("3", VALIDATION, "z", copy), ("4", "test", "v", copy)]
    assert duplicates([corpus("a", *files)]) == [
        Duplicate("a: 3", VALIDATION, "a: 2", SAME_NOTES),
        Duplicate("a: 4", "test", "a: 2", SAME_NOTES),
    ]


def test_another_take_in_another_key_is_found_with_the_share_of_its_passages():
    notes = music(200)
    take = np.concatenate([music(85), notes[:115]])
    take[:, 0] += 3
    # A chord that is spread the other way is the same chord.
    notes[50, 1] = take[85 + 50, 1] = 0.02
    take[[85 + 49, 85 + 50], 0] = take[[85 + 50, 85 + 49], 0]
    files = [("1", TRAIN, "x", music()), ("2", TRAIN, "y", notes), ("3", VALIDATION, "z", take)]
    (found,) = duplicates([corpus("a", *files)])
    assert (found.held_out, found.train, found.how) == ("a: 3", "a: 2", SHARED)
    # 115 notes are 100 passages, of 185.
    assert found.share == pytest.approx(100 / 185, abs=0.01)


def test_corpora_that_are_trained_on_together_are_looked_at_together():
    notes, other = music(), music()
    one = corpus("a", ("1", TRAIN, "x", notes), ("2", VALIDATION, "y", other))
    two = corpus("b", ("1", TRAIN, "z", other), ("2", VALIDATION, "v", notes))
    assert duplicates([one]) == duplicates([two]) == []
    assert duplicates([one, two]) == [
        Duplicate("a: 2", VALIDATION, "b: 1", SAME_NOTES),
        Duplicate("b: 2", VALIDATION, "a: 1", SAME_NOTES),
    ]


def test_scales_and_short_files_are_no_duplicates():
    scale = music(40)
    scale[:, 0] = 40 + np.arange(40)
    mixed = np.concatenate([scale[:30], music(300)])
    files = [("1", TRAIN, "x", scale), ("2", VALIDATION, "y", mixed), ("3", VALIDATION, "z", scale[:18])]
    assert duplicates([corpus("a", *files)]) == []
    assert duplicates([corpus("a", ("1", TRAIN, "x", music(3)))]) == []
    assert duplicates([corpus("a", ("1", VALIDATION, "x", music(3)))]) == []


def test_a_passage_does_not_reach_from_a_file_into_the_next():
    notes = music(40)
    halves = [("1", TRAIN, "x", notes[:20]), ("2", TRAIN, "y", notes[20:]), ("3", VALIDATION, "z", notes)]
    (found,) = duplicates([corpus("a", *halves)])
    # Of 25 passages, 5 begin and end in each half.
    assert found.share == pytest.approx(5 / 25)
