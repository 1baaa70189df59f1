"""Whether the best of several answers is closer to the truth, and by which measures."""

from dataclasses import replace

import numpy as np
import pytest

from improv.errors import CorpusError
from improv.events import Note
from improv.play.candidates import COUNTS
from improv.predict.encoding import STEP, notes_to_array
from improv.predict.engines import engine_of
from improv.predict.weights import find, load
from improv.train.choices import HEARD, SECONDS, ChoicePlan, choices, measured, places
from improv.train.closeness import MEASURES, closeness, manners
from improv.train.corpus import TRAIN, VALIDATION
from improv.train.tried import BY_NOTES, TRIED, likelihood

from .music import corpus, noise, notes

SCALE = [Note(60 + n, 70, n * 0.25, 0.2) for n in range(12)]
TUNE = notes(np.tile([60, 64, 67, 72, 71, 67, 65, 62], 30), velocities=0)


def busy(count, seed):
    """Noise without rests."""
    made = noise(count, seed)
    made[:, STEP] = np.minimum(made[:, STEP], 0.3)
    return made


MADE = corpus(busy(300, 1), busy(400, 2), TUNE, busy(110, 3), held_out=3)


def close(answer, truth=SCALE, *, loud=True):
    return {name: float(own[0]) for name, own in closeness([answer], truth, 4.0, loud=loud).items()}


def test_the_truth_is_as_close_as_can_be_and_the_rest_less():
    assert close(SCALE) == pytest.approx(dict.fromkeys(MEASURES, 1), abs=1e-5)
    higher = close([replace(note, pitch=note.pitch + 1) for note in SCALE])
    later = close([replace(note, onset=note.onset + 0.25) for note in SCALE])
    for other in (higher, later):
        assert 0 < other["roll"] < 1
    # When the notes come, the distributions do not tell; which they are, they do.
    assert later["overlap"] == pytest.approx(1, abs=1e-5)
    assert higher["overlap"] < 1
    assert close([Note(20, 1, 0, 3.0)])["roll"] == 0


def test_backwards_is_the_same_music_for_the_one_measure_and_not_for_the_other():
    pitches = [note.pitch for note in reversed(SCALE)]
    back = close([replace(note, pitch=pitch) for note, pitch in zip(SCALE, pitches, strict=True)])
    # All but the intervals, one of six; neighbours of them are a little alike.
    assert 5 / 6 <= back["overlap"] < 0.9
    assert back["roll"] < 0.3


def test_music_without_dynamics_has_no_wrong_velocity():
    soft = [replace(note, velocity=20) for note in SCALE]
    assert close(soft)["overlap"] == pytest.approx(5 / 6, abs=1e-5)
    assert close(soft, loud=False)["overlap"] == pytest.approx(1, abs=1e-5)


def test_how_answers_behave():
    other = [Note(40 + (5 * n) % 11, 70, n * 0.5, 0.2) for n in range(12)]
    round_and_round = [Note(60 + n % 2, 70, n * 0.25, 0.2) for n in range(12)]
    found = manners([SCALE, other, round_and_round, SCALE[:3]], SCALE, SCALE)
    assert found["copied"].tolist() == [1, 0, 0, 0]
    assert found["again"].tolist() == pytest.approx([0, 0, 6 / 8, 0])
    assert found["like the call"][0] == pytest.approx(1)


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("key", SCALE, [replace(note, pitch=68 + 12 * (note.pitch % 2)) for note in SCALE]),
        ("outline", SCALE, [replace(note, pitch=120 - note.pitch) for note in SCALE]),
        ("register", SCALE, [replace(note, pitch=note.pitch - 12) for note in SCALE]),
        ("density", SCALE, [replace(note, onset=2 * note.onset) for note in SCALE]),
        ("articulation", SCALE, [replace(note, duration=2.0) for note in SCALE]),
        ("ending", [*SCALE[:-1], replace(SCALE[-1], duration=2.0)], [*SCALE, Note(69, 70, 3.0, 0.1)]),
    ],
)
def test_each_score_that_was_tried_knows_its_good_from_bad(name, good, bad):
    heard = [note for note in SCALE if note.pitch % 12 != 8]
    assert BY_NOTES[name](good, heard, SCALE) > BY_NOTES[name](bad, heard, SCALE)


def test_likelihood_is_that_of_the_answer_whoever_is_beside_it():
    engine = engine_of(load(find("lstm")))
    wild = [Note(30 + (37 * n) % 60, 10 + (50 * n) % 100, n * 0.71, 0.05 + (n % 5)) for n in range(5)]
    both = likelihood(engine, [SCALE, wild], SCALE)
    assert both[0] > both[1]
    assert both == pytest.approx([likelihood(engine, [own], SCALE)[0] for own in (SCALE, wild)], abs=1e-4)
    assert len(notes_to_array(wild)) < len(SCALE)


def test_places_are_spread_over_files_and_the_truth_is_what_came():
    found = places(MADE, VALIDATION, 9, 1)
    files = [place.file for place in found]
    # The third has too few notes.
    assert sorted(set(files)) == [0, 1]
    assert len(found) == 9
    for place in found:
        assert len(place.heard) == HEARD
        assert place.brief.call.notes <= HEARD
        assert place.heard[-1].onset - place.brief.call.start <= SECONDS
        assert place.truth[0].onset == 0
        assert place.truth[-1].onset < SECONDS
    at = next(place for place in found if place.file == 1)
    assert [note.pitch for note in at.truth] == [note.pitch for note in at.truth[:8]] * 4
    assert at.brief.taste.elapsed_s == pytest.approx(0.25)
    assert len({place.brief.seed for place in found}) == 9
    assert [place.loud for place in found] == [place.file == 0 for place in found]
    assert not places(corpus(noise(90, 4)), VALIDATION, 3, 1)


@pytest.mark.parametrize("name", ["lstm", "tutorial"])
def test_a_model_chooses(name):
    found = measured("made", engine_of(load(find(name))), places(MADE, VALIDATION, 2, 1), 1)
    assert (found.prompts, found.files) == (2, 2)
    assert [row.count for row in found.rows] == list(COUNTS) == list(found.seconds)
    assert set(found.tried) == set(TRIED) - (set() if name == "lstm" else {"likelihood"})
    for measure in MEASURES:
        one, most = found.rows[0], found.rows[-1]
        assert (one.gain[measure].value, one.gain[measure].high) == pytest.approx((0, 0), abs=1e-12)
        assert most.close[measure].value - one.close[measure].value == pytest.approx(most.gain[measure].value)
        assert most.gain[measure].value <= found.oracle[measure].value
        for own in found.tried.values():
            assert own[measure].value <= found.oracle[measure].value
    assert 0 < found.seconds[1] < found.seconds[64]


def test_a_corpus_without_a_place_is_told(tmp_path, write_midi):
    write_midi(tmp_path / "short" / "a.mid", [60, 62, 64, 65] * 20)
    plan = ChoicePlan(("tutorial",), (tmp_path / "short",), TRAIN, cache=tmp_path / "cache")
    with pytest.raises(CorpusError, match="short: no file of train goes on for 8 s after 100 notes"):
        list(choices(plan, lambda _: None))
