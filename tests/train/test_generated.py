import numpy as np
import pytest

from improv.predict.engines import engine_of
from improv.predict.repetition import IN_A_ROW
from improv.predict.weights import find, load
from improv.train.bootstrap import draws
from improv.train.corpus import VALIDATION
from improv.train.generated import COMPARED, HEARD, LOOPED, Prompts, measured, play, prompts
from improv.train.likeness import SIZES
from improv.train.sequences import Music

from .music import corpus, noise, notes

MADE = corpus(*(noise(length, length) for length in (900, 150, 200, 500)), held_out=4)
MUSIC = Music.of([MADE], VALIDATION, 26)
CHOSEN = draws(4, 1)


def test_prompts_are_spread_over_the_files_that_are_long_enough():
    places = prompts(MUSIC, 10)
    assert places.before.shape == (10, HEARD, 4)
    assert places.after.shape == (10, COMPARED, 4)
    assert np.bincount(places.files).tolist() == [4, 0, 3, 3]
    at = [int(np.flatnonzero((MADE.notes == after[0]).all(axis=1))[0]) for after in places.after]
    for before, after, start, file in zip(places.before, places.after, at, places.files, strict=True):
        assert np.array_equal(MADE.notes[start - HEARD : start + COMPARED], np.concatenate([before, after]))
        assert MUSIC.starts[file] + HEARD <= start <= MUSIC.ends[file] - COMPARED
    assert len(set(at[:4])) == 4


def test_fewer_prompts_than_files():
    assert np.bincount(prompts(MUSIC, 2).files, minlength=4).tolist() == [1, 0, 0, 1]


def test_music_too_short_for_a_prompt():
    assert prompts(Music.of([corpus(noise(150, 1))], VALIDATION, 26), 5) is None


def test_the_true_continuation_is_like_itself():
    places = prompts(MUSIC, 10)
    truth = measured(places.after, places, CHOSEN)
    for name in SIZES:
        assert truth.overlaps[name].value == pytest.approx(1)
        assert truth.pooled[name].low == pytest.approx(1)
        assert truth.histograms[name].sum() == 10 * COMPARED
    assert truth.density.value == pytest.approx(10 * COMPARED / places.after[..., 1].sum(), rel=1e-4)
    assert truth.pace is None


def test_another_passage_is_less_like_it():
    places = prompts(MUSIC, 10)
    before = measured(places.before, places, CHOSEN)
    assert 0.3 < before.overlaps["step"].value < 1
    # All files together leave less to chance.
    assert before.pooled["step"].value > before.overlaps["step"].value


def test_what_is_in_the_key_and_goes_round():
    scale = notes(np.tile([60, 62, 64, 65, 67, 69, 71, 72], 13)[:100])
    loops = notes(np.tile([61, 60, 62, 64, 65, 67, 69, 71], 13)[:100])
    places = Prompts(np.stack([scale] * 2), np.stack([scale] * 2), np.array([0, 1]))
    found = measured(np.stack([loops] * 2), places, draws(2, 1))
    assert found.in_key.value == pytest.approx(np.isin(loops[:, 0] % 12, [0, 2, 4, 5, 7, 9, 11]).mean())
    assert found.most_circles == 12
    assert found.circles.value == 12
    assert found.repeated.value == pytest.approx(85 / 93)


@pytest.mark.parametrize("name", ["lstm", "tutorial"])
def test_a_model_plays_after_prompts(name):
    engine = engine_of(load(find(name)))
    places = prompts(MUSIC, 4)
    played, loops = play(engine, places, CHOSEN, 1)
    assert [each.temperature for each in loops] == [0.7, 1.0]
    assert all(each.runs == 4 and each.looped == 0 and 1 <= each.most <= IN_A_ROW for each in loops)
    assert all(0 <= each.bare_looped <= 4 and 1 <= each.bare_most <= LOOPED // 8 for each in loops)
    assert played.pace > 0
    assert (played.overlaps["velocity"] is None) == (not engine.info.has_velocity)
    assert played.histograms["pitch class"].sum() == 4 * COMPARED
    again, _ = play(engine, places, CHOSEN, 1)
    assert again.overlaps == played.overlaps
