import numpy as np
import pytest

from improv.predict.bins import PITCH_BIN, STEP_BIN, VELOCITY_BIN
from improv.predict.grid import NO_VELOCITY
from improv.train.corpus import TRAIN, VALIDATION, Corpus
from improv.train.sequences import TRANSPOSE, Music, heard_and_coming, mixed


def corpus(*lengths, velocity=None):
    """A corpus of rising scales; the last file is held out."""
    total = sum(lengths)
    notes = np.empty((total, 4), np.float32)
    notes[:, 0] = 50 + np.arange(total) % 24
    notes[:, 1], notes[:, 2] = 0.5, 0.25
    notes[:, 3] = np.arange(total) % 40 + 60 if velocity is None else velocity
    splits = (TRAIN,) * (len(lengths) - 1) + (VALIDATION,)
    return Corpus("scales", "MIT", notes, np.cumsum([0, *lengths]), splits, {})


def test_short_files_are_left_out():
    music = Music.of([corpus(30, 5, 40, 1)], TRAIN, 20)
    assert (music.ends - music.starts).tolist() == [30, 40]


def test_what_comes_is_heard_next():
    heard, coming, _ = Music.of([corpus(100, 1)], TRAIN, 21).draw(50, 20, np.random.default_rng(1))
    assert (heard.shape, coming.shape) == ((50, 20, 5), (50, 20, 4))
    assert np.array_equal(heard[:, 1:, :4], coming[:, :-1])
    # Nothing came before the first note.
    assert (heard[:, 0, STEP_BIN] == 0).all()


def test_sequences_are_in_other_keys_and_tempi_and_of_other_loudness():
    music = Music.of([corpus(22, 1)], TRAIN, 21)
    heard, _, _ = music.draw(2000, 20, np.random.default_rng(1))
    assert len(np.unique(heard[:, 1, STEP_BIN])) > 2
    assert len(np.unique(heard[:, 0, VELOCITY_BIN])) > 4
    moved = heard[:, 0, PITCH_BIN] - 50
    assert set(range(-TRANSPOSE, TRANSPOSE + 1)) <= set(moved.tolist())
    # Now and then, the music goes on in another key.
    leaps = np.abs(np.diff(heard[..., PITCH_BIN], axis=1) - 1).max(axis=1) > 0
    assert 0.05 < leaps.mean() < 0.25


def test_the_style_is_told_half_of_the_time():
    music = Music.of([corpus(100, 1), corpus(100, 1)], TRAIN, 21)
    heard, _, _ = music.draw(2000, 20, np.random.default_rng(1))
    shares = [(heard[:, 0, 4] == style).mean() for style in range(3)]
    assert shares == pytest.approx([0.5, 0.25, 0.25], abs=0.05)


def test_a_file_without_dynamics_has_no_velocities():
    heard, coming, _ = Music.of([corpus(100, 1, velocity=64)], TRAIN, 21).draw(9, 20, np.random.default_rng(1))
    assert (coming[..., VELOCITY_BIN] == NO_VELOCITY).all()
    assert (heard[..., VELOCITY_BIN] == NO_VELOCITY).all()


def test_the_same_numbers_draw_the_same_sequences():
    music = Music.of([corpus(100, 1)], TRAIN, 21)
    first, again, other = (music.draw(4, 20, np.random.default_rng(seed))[0] for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_pieces_foresee_every_note_once():
    music = Music.of([corpus(1, 100)], VALIDATION, 6)
    foreseen = []
    for piece, least, style in music.chunks(20, 5):
        assert style == 1
        assert len(piece) <= 21
        start = int(np.flatnonzero((music.notes == piece[0]).all(axis=1))[0])
        foreseen += range(start + least, start + len(piece))
    assert sorted(foreseen) == list(range(5, 100))


def test_the_music_itself_is_left_as_it_was():
    music = Music.of([corpus(100, 1)], TRAIN, 21)
    before = music.notes.tobytes()
    music.draw(9, 20, np.random.default_rng(1))
    heard_and_coming(music.notes[None, :21], np.zeros(1, np.int32))
    assert music.notes.tobytes() == before


def test_its_own_notes_take_the_place_of_some_that_were_played():
    rng = np.random.default_rng(1)
    heard = np.stack([np.full((40, 30), column + 1, np.int32) for column in range(5)], axis=-1)
    heard[:20, :, 2] = 32
    own = np.full((40, 30, 4), 9, np.int32)
    notes = mixed(heard, own, rng)
    assert (notes[:, 0] == heard[:, 0]).all()
    replaced = notes[..., 0] == 9
    # About half of the sequences, a quarter of their notes.
    assert 8 < replaced.any(axis=1).sum() < 32
    assert 0.05 < replaced.mean() < 0.2
    assert (notes[replaced][:, 1] == 9).all()
    assert (notes[~replaced] == heard[~replaced]).all()
    # The style stays, and a file without dynamics gets none.
    assert (notes[..., 4] == 5).all()
    assert (notes[:20, :, 2] == 32).all()
    assert (notes[20:][replaced[20:]][:, 2] == 9).all()


def test_a_short_file_is_a_sequence_of_which_a_part_counts():
    music = Music.of([corpus(10, 30, 1)], TRAIN, 2)
    assert music.shortest == 10
    heard, coming, counted = music.draw(400, 20, np.random.default_rng(1))
    assert (heard.shape, coming.shape, counted.shape) == ((400, 20, 5), (400, 20, 4), (400, 20))
    # The first file has one place to begin, the other ten.
    short = ~counted.all(axis=1)
    assert 0.04 < short.mean() < 0.16
    assert (counted[short].sum(axis=1) == 9).all()
    assert counted[short, :9].all()
    # What lies beyond the end of a file is no other file.
    assert (np.diff(heard[short, 10:, PITCH_BIN], axis=1) == 0).all()


def test_styles_are_told_by_their_place_in_the_model():
    music = Music.of([corpus(30, 1)], TRAIN, 2, ["other", "scales"])
    assert music.styles.tolist() == [2]
