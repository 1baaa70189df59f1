import numpy as np

from improv.train.corpus import TRAIN, VALIDATION, Corpus
from improv.train.dataset import windows

LENGTH = 3


def counting(*lengths):
    """A corpus whose n-th note has pitch n; the last file is held out."""
    total = sum(lengths)
    notes = np.stack([np.arange(total), np.arange(total) / 4, np.arange(total) / 2, np.full(total, 80)], axis=1)
    splits = (TRAIN,) * (len(lengths) - 1) + (VALIDATION,)
    return Corpus("counting", "MIT", notes.astype(np.float32), np.cumsum([0, *lengths]), splits, {})


def test_windows_and_labels_stay_within_a_file():
    music = windows([counting(5, 3, 4, 6)], TRAIN, LENGTH)
    # Five notes have two windows with a note after, three have none, four have one.
    assert music.starts.tolist() == [0, 1, 8]
    notes, labels = music.cut(music.starts)
    assert (notes[..., 0] * 128).tolist() == [[0, 1, 2], [1, 2, 3], [8, 9, 10]]
    assert labels["pitch"].tolist() == [3, 4, 11]
    assert labels["step"].tolist() == [[0.75], [1.0], [2.75]]
    assert labels["duration"].tolist() == [[1.5], [2.0], [5.5]]


def test_corpora_are_one_pool():
    assert len(windows([counting(5, 1), counting(4, 1)], TRAIN, LENGTH).starts) == 3


def test_a_draw_repeats_only_when_it_must():
    music = windows([counting(103, 1)], TRAIN, LENGTH)
    rng = np.random.default_rng(1)
    assert sorted(music.draw(100, rng)) == list(range(100))
    assert len(music.draw(250, rng)) == 250
    assert not np.array_equal(music.draw(50, rng), music.draw(50, rng))


def test_a_spread_covers_the_whole():
    music = windows([counting(103, 1)], TRAIN, LENGTH)
    assert music.spread(3).tolist() == [0, 49, 99]
    assert len(music.spread(1000)) == 100


def test_no_music_has_no_windows():
    assert not len(windows([counting(2, 1)], TRAIN, LENGTH).starts)
    assert not len(windows([], TRAIN, LENGTH).starts)
