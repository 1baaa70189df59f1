from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from improv.events import Note
from improv.play.scoring import QUANTITIES, likeness, likenesses, profiles, shared

SCALE = [Note(60 + n, 70, n * 0.25, 0.2) for n in range(8)]
NOTES = st.builds(Note, st.integers(0, 127), st.integers(1, 127), st.floats(0, 9), st.floats(0.01, 20))
PASSAGES = st.lists(NOTES, min_size=1, max_size=12).map(lambda notes: sorted(notes, key=lambda note: note.onset))


def like(these: list[Note], those: list[Note]) -> dict[str, float]:
    own, other = profiles([these, those])
    return dict(zip(QUANTITIES, shared(own, other).tolist(), strict=True))


@given(PASSAGES, PASSAGES)
def test_a_profile_holds_distributions_and_likeness_is_a_share(these, those):
    own, other = profiles([these, those])
    sums = shared(own, own)
    assert sums == pytest.approx([1, 1, *([1, 1] if len(these) > 1 else [0, 0]), 1, 1], abs=1e-5)
    assert 0 <= likeness(own, other) <= 1 + 1e-6
    assert likeness(own, other) == pytest.approx(likeness(other, own), abs=1e-6)
    assert likeness(own, other) == pytest.approx(shared(own, other).mean(), abs=1e-5)


def test_what_differs_in_one_quantity_is_alike_in_the_others():
    assert like(SCALE, SCALE) == pytest.approx(dict.fromkeys(QUANTITIES, 1), abs=1e-6)
    louder = like(SCALE, [replace(note, velocity=120) for note in SCALE])
    assert louder == pytest.approx(dict.fromkeys(QUANTITIES, 1) | {"velocity": 0}, abs=1e-6)
    higher = like(SCALE, [replace(note, pitch=note.pitch + 12) for note in SCALE])
    assert higher == pytest.approx(dict.fromkeys(QUANTITIES, 1) | {"pitch": 0}, abs=1e-6)
    slower = like(SCALE, [replace(note, onset=2 * note.onset) for note in SCALE])
    assert slower == pytest.approx(dict.fromkeys(QUANTITIES, 1) | {"step": 0}, abs=1e-6)


def test_neighbours_are_alike_and_others_are_not():
    one = [Note(60, 70, 0, 0.2)]
    alike = [like(one, [Note(pitch, 70, 0, 0.2)])["pitch"] for pitch in (60, 61, 62, 65)]
    assert alike == sorted(alike, reverse=True)
    assert alike[2] > alike[3] == 0


def test_an_answer_made_of_what_was_heard_is_the_best_and_the_odd_one_out_the_worst():
    heard = SCALE * 2
    answers = [
        SCALE,
        [replace(note, pitch=note.pitch + 1) for note in SCALE],
        [replace(note, pitch=127 - note.pitch, velocity=10, duration=3.0) for note in SCALE],
    ]
    found = likenesses(profiles(answers), *profiles([heard, SCALE]))
    assert found.scores().argmax() == 0
    assert found.scores().argmin() == 2
    assert found.others[1] > found.others[2]
    pairs = profiles(answers)
    assert found.others[0] == pytest.approx((likeness(pairs[0], pairs[1]) + likeness(pairs[0], pairs[2])) / 2)


def test_one_answer_has_no_others():
    assert likenesses(profiles([SCALE]), *profiles([SCALE, SCALE])).others.tolist() == [0]
    assert np.isfinite(likenesses(profiles([SCALE]), *profiles([SCALE, SCALE])).scores()).all()
