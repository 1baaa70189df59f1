import numpy as np
import pytest

from improv.predict.bins import CELLS, time_bins
from improv.predict.grid import TIMES
from improv.train.contexts import Features
from improv.train.corpus import TRAIN, VALIDATION
from improv.train.floors import PARTS, Repeat, Unigram
from improv.train.ngram import NGram, apart
from improv.train.passages import Passages, questions
from improv.train.sequences import Music

from .music import corpus, noise, notes

FLOORS = [Unigram, Repeat, NGram]


def learnt(floor, made):
    return floor(Passages.of_music(Music.of([made], TRAIN, 2)))


def examined(floor, made, contexts=(1, 3), count=50):
    return learnt(floor, made).foresee(questions(made, VALIDATION, None, contexts, count))


def mean(answer):
    """The mean of each part that is known at all."""
    known = {part: getattr(answer, part) for part in PARTS if np.isfinite(getattr(answer, part)).any()}
    return {part: float(np.nanmean(own)) for part, own in known.items()}


@pytest.mark.parametrize("floor", [Unigram, Repeat])
def test_every_distribution_adds_up_to_1(floor):
    made = corpus(noise(400, 1), noise(300, 2))
    passages = Passages.of_music(Music.of([made], VALIDATION, 2))
    for spread in learnt(floor, made).spread(passages, np.arange(300)).values():
        assert spread.sum(axis=1) == pytest.approx(1, abs=1e-5)
        assert (spread > 0).all()


def test_every_distribution_of_the_n_gram_adds_up_to_1():
    made = corpus(*(noise(300, seed) for seed in range(12)), noise(300, 99))
    floor = learnt(NGram, made)
    passages = Passages.of_music(Music.of([made], VALIDATION, 2))
    for part, (_, size) in PARTS.items():
        spread = floor.spread(part, {None: Features(passages)}, {None: np.arange(300)})[None]
        assert spread.shape == (300, size)
        assert spread.sum(axis=1) == pytest.approx(1, abs=1e-5)
        assert (spread > 0).all()


def test_the_unigram_is_how_often_things_occur():
    made = corpus(notes([60] * 300 + [62] * 100), notes([60] * 30 + [62] * 10))
    answer = examined(Unigram, made)[None]
    # 25 of 40 are context.
    assert np.exp(-answer.pitch) == pytest.approx([301 / 528] * 5 + [101 / 528] * 10, rel=1e-4)
    assert answer.top_1.tolist() == [1] * 5 + [0] * 10
    assert answer.top_5[-1] == 1


def test_a_time_counts_as_its_cell():
    # Everything lasts 1.0 s: its bin holds several cells, which share the probability.
    made = corpus(notes([60] * 9000, durations=1.0), notes([60] * 60, durations=1.0))
    cells = CELLS[time_bins(np.float32([1.0]))[0]]
    assert cells > 1
    certain = 9001 / (9000 + TIMES)
    assert examined(Unigram, made)[None].duration == pytest.approx(np.log(cells / certain), abs=1e-4)


def test_repeating_the_last_interval_foresees_a_scale():
    scale = notes([10 + at % 100 for at in range(3000)])
    answer = examined(Repeat, corpus(scale, scale[:100]))[None]
    assert mean(answer)["pitch"] < 0.1
    assert mean(examined(Unigram, corpus(scale, scale[:100]))[None])["pitch"] > 4


def test_repeating_is_worth_nothing_where_nothing_repeats():
    rng = np.random.default_rng(3)
    files = [notes(rng.integers(40, 80, 3000)) for _ in range(2)]
    repeat, unigram = (mean(examined(floor, corpus(*files))[None]) for floor in (Repeat, Unigram))
    assert repeat["pitch"] == pytest.approx(unigram["pitch"], abs=0.01)


def test_the_n_gram_learns_what_is_certain():
    theme = [60, 64, 67, 72, 67, 64, 62, 65]
    file = notes(theme * 60, [0.25, 0.25, 0.25, 0.5, 0, 0, 0.25, 0.25] * 60, [0.3] * 8 * 60, [70, 80] * 240)
    answers = examined(NGram, corpus(*[file] * 12))
    # Certain but for the cells of a bin.
    step, duration = (np.log(CELLS[time_bins(file[25:, column])]).mean() for column in (1, 2))
    expected = {"step": step, "pitch": 0, "velocity": 0, "duration": duration}
    assert mean(answers[None]) == pytest.approx(expected, abs=0.1)
    assert answers[None].top_1.mean() == 1
    chords = time_bins(np.float32(file[25:, 1])) < 2
    assert np.array_equal(answers[None].chord, chords)


def test_the_n_gram_foresees_a_theme_in_a_key_it_never_heard():
    theme = np.array([60, 64, 67, 72, 67, 64, 62, 65] * 40)
    files = [notes(theme + shift) for shift in (0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12)]
    assert mean(examined(NGram, corpus(*files, notes(theme - 13)))[None])["pitch"] < 1
    assert mean(examined(Unigram, corpus(*files, notes(theme - 13)))[None])["pitch"] > 4


def test_the_n_gram_is_no_worse_than_a_unigram_on_noise():
    made = corpus(*(noise(600, seed) for seed in range(12)), noise(900, 99))
    ngram, unigram = (mean(examined(floor, made)[None]) for floor in (NGram, Unigram))
    for part in PARTS:
        assert ngram[part] < unigram[part] + 0.1, part


def test_more_context_is_worth_something_and_short_passages_are_answered():
    theme = [60, 64, 60, 67, 60, 72, 60, 55]
    answers = examined(NGram, corpus(*[notes(theme * 40)] * 12), contexts=(1, 3, 25), count=1000)
    one, three, many = (mean(answers[before])["pitch"] for before in (1, 3, 25))
    # After a 60 alone, any of four may come; after the others, a 60.
    assert one == pytest.approx(np.log(4) / 2, abs=0.1)
    assert three < 0.2
    assert many < 0.2


def test_an_unknown_velocity_is_neither_learnt_nor_judged():
    files = [notes([60, 62] * 60, velocities=[70, 90] * 60) for _ in range(11)]
    flat = notes([60, 62] * 60)
    for floor in FLOORS:
        # A file without dynamics to learn from changes nothing; one to foresee has no velocity to foresee.
        with_dynamics = examined(floor, corpus(flat, *files))[None]
        assert np.isfinite(with_dynamics.velocity).all()
        assert np.isnan(examined(floor, corpus(*files, flat))[None].velocity).all()


def test_a_weight_of_the_mixture_goes_to_what_foresees():
    theme = [60, 64, 67, 72, 67, 64, 62, 65]
    rng = np.random.default_rng(1)
    # Always another key: intervals tell, pitches do not.
    files = [notes(np.array(theme * 20) + shift) for shift in rng.integers(-30, 30, 40)]
    weights = learnt(NGram, corpus(*files)).weights("pitch", None, (9, 7, 10, 8))
    assert weights.sum() == pytest.approx(1)
    absolute, relative = weights[:2].sum(), weights[2:].sum()
    assert relative > absolute


@pytest.mark.parametrize("count", [1, 3, 10, 100, 1000])
def test_what_fits_the_weights_is_of_other_files_than_what_is_counted_for_it(count, monkeypatch):
    monkeypatch.setattr("improv.train.ngram._FITTING", 90)
    monkeypatch.setattr("improv.train.ngram._KEPT", 20)
    # A file's notes all are its number.
    bins = np.repeat(np.arange(count), 3)[:, None].repeat(4, axis=1).astype(np.int32)
    parts = apart(Passages(bins, np.tile(np.arange(3), count)))
    counted, kept = (set(part.bins[:, 0].tolist()) for part in parts)
    assert not counted & kept
    for part, most in zip(parts, (90, 20), strict=True):
        assert part.places.tolist() == list(range(3)) * (len(part.places) // 3)
        assert len(part.places) < 2 * most
    if count >= 10:
        assert counted
        assert kept
