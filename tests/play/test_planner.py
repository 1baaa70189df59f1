import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from improv.events import Note
from improv.listen.phrase import Call
from improv.play.planner import MIN_NOTES, Brief, compose
from improv.play.turns import Answer
from improv.predict.engine import Taste
from tests.parrot import UP, Parrot


def brief(heard: list[Note], length: float, polyphony: int = 8) -> Brief:
    velocities = tuple(note.velocity for note in heard)
    call = Call(1, heard[0].onset, heard[-1].onset + heard[-1].duration, len(heard), velocities)
    return Brief(call, length, Taste(), polyphony, seed=7, revision=3)


def write(heard: list[Note], length: float, polyphony: int = 8, engine: Parrot | None = None) -> Answer:
    """Let the whole answer be written."""
    *steps, answer = compose(engine or Parrot(), heard, brief(heard, length, polyphony))
    assert all(step is None for step in steps)
    assert answer is not None
    return answer


SCALE = [Note(60 + n, 70 + n, 10 + n * 0.25, 0.2) for n in range(8)]


def test_the_answer_starts_at_its_first_moment_and_keeps_the_steps():
    answer = write(SCALE, 1.75)
    assert [note.pitch for note in answer.notes] == [note.pitch + UP for note in SCALE[:7]]
    assert [note.onset for note in answer.notes] == pytest.approx([n * 0.25 for n in range(7)])
    assert answer.revision == 3


def test_velocities_follow_the_call_where_the_model_has_none():
    loud = [Note(60, 100, n * 0.25, 0.2) for n in range(8)]
    soft = [Note(60, 30, n * 0.25, 0.2) for n in range(8)]
    assert np.mean([note.velocity for note in write(loud, 2.0).notes]) == pytest.approx(100, abs=6)
    assert np.mean([note.velocity for note in write(soft, 2.0).notes]) == pytest.approx(30, abs=6)


def test_velocities_are_the_models_where_it_has_them():
    assert {note.velocity for note in write(SCALE, 2.0, engine=Parrot(velocity=75.2)).notes} == {75}


@pytest.mark.parametrize(("velocity", "played"), [(20, 67), (110, 79)])
def test_a_model_that_has_velocities_comes_near_the_loudness_of_the_call(velocity, played):
    # The call's mean is 73 and a half.
    assert {note.velocity for note in write(SCALE, 2.0, engine=Parrot(velocity=velocity)).notes} <= {played, played + 1}


def test_a_chord_stays_a_chord():
    chords = [Note(pitch, 80, at, 0.4) for at in (0.0, 0.5, 1.0, 1.5) for pitch in (60, 64, 67)]
    onsets = [note.onset for note in write(chords, 2.0).notes]
    assert [onsets.count(onset) for onset in sorted(set(onsets))] == [3, 3, 3, 3]


def test_slow_steps_are_quickened_so_that_a_few_notes_find_room():
    answer = write([Note(60 + n, 80, n * 2.0, 1.0) for n in range(4)], 2.0)
    assert len(answer.notes) >= MIN_NOTES
    assert answer.length <= 1.5 * 2.0


def test_no_more_notes_sound_at_once_than_allowed():
    drones = [Note(40 + 3 * n, 80, n * 0.1, 5.0) for n in range(10)]
    notes = write(drones, 3.0, polyphony=2).notes
    for note in notes:
        assert sum(other.onset <= note.onset < other.onset + other.duration for other in notes) <= 2


@given(
    st.lists(
        st.tuples(st.integers(30, 90), st.floats(0, 2), st.floats(0, 3), st.integers(1, 127)), min_size=1, max_size=30
    ),
    st.floats(1, 8),
)
def test_whatever_was_heard_the_answer_is_in_proportion(rows, length):
    heard, at = [], 0.0
    for pitch, step, duration, velocity in rows:
        at += step
        heard.append(Note(pitch, velocity, at, duration))
    answer = write(heard, length)
    assert answer.length <= 1.5 * length + 0.05
    assert all(1 <= note.velocity <= 127 and note.duration > 0 for note in answer.notes)
    by_pitch: dict[int, float] = {}
    for note in answer.notes:
        assert note.onset >= by_pitch.get(note.pitch, 0.0) - 1e-9
        by_pitch[note.pitch] = note.onset + note.duration
