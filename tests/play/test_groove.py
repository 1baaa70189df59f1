from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from improv.beat import Grid
from improv.events import Note
from improv.play.groove import ending, quantised, swing_of

# 120 bpm: a beat is half a second, a sixteenth an eighth of one.
GRID = Grid(at=10.0, beat=4.0, period=0.5)
GRIDS = st.builds(Grid, st.floats(0, 100), st.integers(0, 64).map(float), st.floats(0.25, 1.5))
STARTS = st.one_of(st.integers(0, 64).map(float), st.floats(0, 64))
SWINGS = st.floats(0.5, 0.75)


def line(places, pitch=60, length=0.1, start=0.0, period=0.5) -> tuple[Note, ...]:
    """Return notes a scale upwards, at these places (beats) after `start`."""
    return tuple(Note(pitch + n, 80, (place - start) * period, length) for n, place in enumerate(places))


def places(notes, start=0.0, grid=GRID) -> list[float]:
    return [start + note.onset / grid.period for note in notes]


@st.composite
def phrases(draw) -> tuple[Note, ...]:
    """Draw an answer from its first moment on: runs, chords, repeats, grace notes."""
    steps = draw(st.lists(st.sampled_from([0.0, 0.0, 0.01, 0.03]) | st.floats(0, 1.0), max_size=30))
    onset, notes = 0.0, []
    for step in [0.0, *steps]:
        onset += step
        notes.append(Note(draw(st.integers(60, 66)), 80, onset, draw(st.floats(0.01, 1.0))))
    return tuple(notes)


def off_beats(place: float, beats: int = 8, early: float = 0.0) -> list[float]:
    """Return the moments (seconds) of eighths in pairs, the second at `place` in the beat."""
    return [GRID.time_at(4 + beat + within) - early for beat in range(beats) for within in (0, place)]


@pytest.mark.parametrize("place", [0.5, 0.58, 0.667, 0.75])
def test_the_swing_is_the_place_of_the_off_beats(place):
    assert swing_of(off_beats(place), GRID) == pytest.approx(place)


@given(st.lists(st.floats(-0.02, 0.02), min_size=16, max_size=16), st.floats(0.58, 0.72))
def test_unsteady_fingers_swing_nearly_the_same(strays, place):
    onsets = [onset + stray for onset, stray in zip(off_beats(place), strays, strict=True)]
    assert swing_of(onsets, GRID) == pytest.approx(place, abs=0.041)


def test_a_little_unevenness_is_straight():
    assert swing_of(off_beats(0.52), GRID) == 0.5
    assert swing_of(off_beats(0.46), GRID) == 0.5


def test_off_beats_past_the_hardest_swing_count_as_that():
    assert swing_of(off_beats(0.78), GRID) == 0.75


def test_few_or_scattered_off_beats_are_straight():
    assert swing_of([], GRID) == 0.5
    assert swing_of(off_beats(0.667, beats=3), GRID) == 0.5
    scattered = [GRID.time_at(4 + n + within) for n, within in enumerate([0.42, 0.78, 0.6, 0.7, 0.5, 0.77, 0.55, 0.66])]
    assert swing_of(scattered, GRID) == 0.5


@pytest.mark.parametrize("within", [(0, 0.25, 0.5, 0.75), (0, 1 / 3, 2 / 3), (0.75, 0.5, 0.25)])
def test_sixteenths_and_triplets_have_no_swing(within):
    assert swing_of([GRID.time_at(beat + place) for beat in range(8) for place in within], GRID) == 0.5


def test_the_swing_is_the_latest_and_a_chord_counts_once():
    straight, swung = off_beats(0.5, beats=40), [onset + 20 for onset in off_beats(0.667, beats=16)]
    chords = [onset + late for onset in swung for late in (0, 0.01, 0.02)]
    assert swing_of([*chords, *straight], GRID) == pytest.approx(0.667)


@given(phrases(), STARTS, GRIDS, SWINGS, st.booleans())
def test_without_strength_nothing_changes(notes, start, grid, swing, opens):
    assert quantised(notes, start, grid, 0.0, swing, opens=opens) == notes


@given(phrases(), STARTS, GRIDS, st.floats(0.01, 1), SWINGS, st.booleans())
def test_notes_keep_their_order_their_length_and_lie_in_the_answer(notes, start, grid, strength, swing, opens):
    moved = quantised(notes, start, grid, strength, swing, opens=opens)
    assert [(note.pitch, note.velocity) for note in moved] == [(note.pitch, note.velocity) for note in notes]
    assert all(before.onset <= after.onset for before, after in pairwise(moved))
    assert moved[0].onset >= 0
    if opens:
        assert moved[0].onset == 0
    for index, (note, was) in enumerate(zip(moved, notes, strict=True)):
        again = next((n for n in range(index + 1, len(notes)) if notes[n].pitch == note.pitch), None)
        apart = again is not None and was.onset + was.duration <= notes[again].onset
        if apart and moved[again].onset < note.onset + max(was.duration, 0.05):
            assert note.onset + note.duration == pytest.approx(moved[again].onset)
        else:
            assert note.duration == max(was.duration, 0.05)


@given(phrases(), STARTS, GRIDS, SWINGS, st.booleans())
def test_no_chord_is_torn(notes, start, grid, swing, opens):
    moved = quantised(notes, start, grid, 1.0, swing, opens=opens)
    for (before, after), (now, then) in zip(pairwise(notes), pairwise(moved), strict=True):
        if before.onset == after.onset:
            assert now.onset == then.onset


@given(
    st.lists(
        st.tuples(st.integers(0, 63), st.floats(-0.05, 0.05)), min_size=1, max_size=40, unique_by=lambda at: at[0]
    ),
    st.integers(0, 16).map(float),
    st.sampled_from([0.4, 0.5, 0.8]),
)
def test_unsteady_sixteenths_fall_on_their_lines(strays, start, period):
    grid = Grid(3.0, 2.0, period)
    wanted = [start + n / 4 for n, _ in sorted(strays)]
    notes = line([max(start, start + n / 4 + stray) for n, stray in sorted(strays)], 20, start=start, period=period)
    assert places(quantised(notes, start, grid, 1.0, opens=False), start, grid) == pytest.approx(wanted)


@given(SWINGS, st.lists(st.floats(-0.03, 0.03), min_size=16, max_size=16))
def test_a_swung_line_stays_swung(swing, strays):
    wanted = [beat + within for beat in range(8) for within in (0, swing)]
    notes = line([max(0, at + stray) for at, stray in zip(wanted, strays, strict=True)])
    assert places(quantised(notes, 0.0, GRID, 1.0, swing, opens=False)) == pytest.approx(wanted)


def test_swung_off_beats_stay_at_two_thirds_of_the_beat():
    notes = line([0, 0.66, 1, 1.66, 2, 2.66])
    assert places(quantised(notes, 0.0, GRID, 1.0, 0.66)) == pytest.approx([0, 0.66, 1, 1.66, 2, 2.66])


def test_straight_eighths_swing_with_the_player():
    assert places(quantised(line([0, 0.5, 1, 1.5]), 0.0, GRID, 1.0, 0.6)) == pytest.approx([0, 0.6, 1, 1.6])


def test_sixteenths_swing_between_the_eighths():
    notes = line([0, 0.25, 0.5, 0.75])
    assert places(quantised(notes, 0.0, GRID, 1.0, 0.6)) == pytest.approx([0, 0.3, 0.6, 0.8])


@pytest.mark.parametrize("strength", [0.25, 0.5, 1.0])
def test_an_onset_is_drawn_as_far_as_the_strength_says(strength):
    assert places(quantised(line([0, 1.08]), 0.0, GRID, strength)) == pytest.approx([0, 1.08 - strength * 0.08])


def test_the_grid_is_the_songs_wherever_the_answer_begins():
    notes = line([5.75, 6.05, 6.55], start=5.75)
    assert places(quantised(notes, 5.75, GRID, 1.0), 5.75) == pytest.approx([5.75, 6.0, 6.5])


def test_the_first_note_opens_the_answer_between_the_lines_and_the_rest_is_drawn():
    notes = line([4.1, 4.3, 4.55], start=4.1)
    assert places(quantised(notes, 4.1, GRID, 1.0), 4.1) == pytest.approx([4.1, 4.25, 4.5])


def test_the_first_note_of_a_part_is_drawn_like_any_other():
    notes = line([4.2, 4.55], start=4.1)
    assert places(quantised(notes, 4.1, GRID, 1.0, opens=False), 4.1) == pytest.approx([4.25, 4.5])
    late = line([4.1, 4.55], start=4.05)
    assert places(quantised(late, 4.05, GRID, 1.0, opens=False), 4.05) == pytest.approx([4.05, 4.5])


def test_triplets_stay_triplets_and_the_next_beat_its_sixteenths():
    notes = line([0, 0.31, 0.69, 1.02, 1.24, 1.52, 1.74])
    wanted = [0, 1 / 3, 2 / 3, 1, 1.25, 1.5, 1.75]
    assert places(quantised(notes, 0.0, GRID, 1.0)) == pytest.approx(wanted)


def test_an_onset_that_only_might_be_a_triplet_is_a_sixteenth():
    assert places(quantised(line([0, 0.30]), 0.0, GRID, 1.0)) == pytest.approx([0, 0.25])


def test_a_single_triplet_is_one_unless_the_player_swings():
    notes = line([0, 0.66])
    assert places(quantised(notes, 0.0, GRID, 1.0)) == pytest.approx([0, 2 / 3])
    assert places(quantised(notes, 0.0, GRID, 1.0, 0.58)) == pytest.approx([0, 0.58])


def test_a_chord_moves_as_one_and_is_as_tight_as_the_strength():
    chord = tuple(Note(pitch, 80, 0.53 + late, 0.4) for pitch, late in ((60, 0.0), (64, 0.01), (67, 0.02)))
    assert [note.onset for note in quantised(chord, 0.0, GRID, 0.5, opens=False)] == pytest.approx([0.515, 0.52, 0.525])
    assert [note.onset for note in quantised(chord, 0.0, GRID, 1.0, opens=False)] == pytest.approx([0.5] * 3)


def test_a_grace_note_stays_before_its_note():
    notes = line([0, 0.9, 1.02, 2])
    assert places(quantised(notes, 0.0, GRID, 1.0)) == pytest.approx([0, 0.8824, 1, 2], abs=1e-3)


def test_a_run_quicker_than_the_lines_keeps_its_steps():
    run = [0, *[1.04 + n / 6 for n in range(6)], 2.04]
    assert places(quantised(line(run), 0.0, GRID, 1.0)) == pytest.approx([0, *[1 + n / 6 for n in range(6)], 2])


def test_a_repeat_drawn_nearer_ends_the_note_before_it():
    notes = (Note(60, 80, 0.0, 0.05), Note(60, 80, 0.26, 0.29), Note(60, 80, 0.56, 0.5), Note(60, 80, 0.99, 0.1))
    first, second, third, _ = quantised(notes, 0.0, GRID, 1.0)
    assert first.duration == 0.05
    assert second.onset + second.duration == pytest.approx(third.onset)
    # It ran into its repeat before, too: whoever plays it ends it.
    assert third.duration == 0.5


@given(phrases(), STARTS, GRIDS, st.floats(0.25, 16))
def test_nothing_sounds_after_the_end(notes, start, grid, beats):
    kept = ending(notes, start, grid, beats)
    end = beats * grid.period
    assert kept
    assert [replace(note, duration=0) for note in kept] == [replace(note, duration=0) for note in notes[: len(kept)]]
    assert all(note.duration > 0 for note in kept)
    assert all(note.onset + note.duration <= end + 1e-9 for note in kept)
    assert all(note.onset > end - 0.05 - 1e-9 for note in notes[len(kept) :])


def test_notes_past_the_end_are_left_out_and_those_over_it_end_there():
    notes = line([0, 2, 3.5, 3.95, 4, 4.5], length=5.0)
    assert [note.onset + note.duration for note in ending(notes, 0.0, GRID, 4)] == pytest.approx([2.0] * 3)


@pytest.mark.parametrize("start", [0.0, 8.0, 7.5])
def test_the_last_note_is_held_to_the_end_of_its_beat(start):
    notes = line([start, start + 1, start + 3], start=start)
    *before, last = ending(notes, start, GRID, 4)
    assert before == list(notes[:-1])
    # Its beat ends with a line of the song's, not of the answer's.
    assert start + (last.onset + last.duration) / GRID.period == pytest.approx(start + (3.5 if start % 1 else 4))


def test_a_last_chord_is_held_together():
    chord = (Note(60, 80, 1.5, 0.1), Note(64, 80, 1.51, 0.2), Note(67, 80, 1.52, 0.15))
    held = ending((Note(48, 80, 0.0, 0.3), *chord), 0.0, GRID, 4)
    assert [note.onset + note.duration for note in held] == pytest.approx([0.3, 2.0, 2.0, 2.0])


@pytest.mark.parametrize(("last", "length"), [(2, 0.3), (2.5, 0.25), (2.5, 0.27), (3, 0.5)])
def test_a_phrase_that_ends_sooner_or_on_a_beat_is_kept(last, length):
    notes = line([0, 1, last], length=length)
    assert ending(notes, 0.0, GRID, 4) == notes


def test_an_answer_is_never_emptied():
    assert ending((), 0.0, GRID, 4) == ()
    late = (Note(60, 80, 3.0, 0.4), Note(64, 80, 3.0, 0.4), Note(67, 80, 3.5, 0.4))
    kept = ending(late, 0.0, GRID, 4)
    assert [(note.pitch, note.onset) for note in kept] == [(60, 3.0), (64, 3.0)]
    assert all(note.duration == pytest.approx(0.05) for note in kept)
