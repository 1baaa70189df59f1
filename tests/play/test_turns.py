import pytest

from improv.events import Note, NoteOn
from improv.listen.phrase import Call
from improv.play.turns import Answer, AnswerLimits, Voice, notes_of, timed


def call(length: float) -> Call:
    return Call(1, 10.0, 10.0 + length, 1, (80,))


@pytest.mark.parametrize(("length", "answered"), [(0.2, 1.0), (3.0, 3.0), (30.0, 8.0)])
def test_an_answer_is_as_long_as_the_call_within_limits(length, answered):
    assert AnswerLimits(1.0, 8.0).length(call(length)) == pytest.approx(answered)


def test_a_timed_answer_has_offs_before_ons():
    answer = Answer(1, 1, (Note(60, 80, 0.0, 0.5), Note(60, 70, 0.5, 0.25)))
    assert timed(answer, 2.0, Voice(channel=1)) == (
        (2.0, b"\x91\x3c\x50"),
        (2.5, b"\x81\x3c\x40"),
        (2.5, b"\x91\x3c\x46"),
        (2.75, b"\x81\x3c\x40"),
    )
    assert answer.length == 0.75


def test_the_voice_transposes_and_scales_and_stays_on_the_keyboard():
    voice = Voice(transpose=5, level=0.5)
    assert voice.note_on(Note(60, 80, 0, 1)) == NoteOn(65, 40)
    assert voice.note_on(Note(125, 1, 0, 1)) == NoteOn(118, 1)
    assert Voice(transpose=-24).note_on(Note(3, 80, 0, 1)) == NoteOn(3, 80)
    assert timed(Answer(1, 1, (Note(60, 80, 0.0, 0.5),)), 2.0, Voice(level=0.0)) == ()


def test_the_notes_of_an_answer_can_be_told_from_its_messages():
    notes = (Note(60, 80, 0.0, 0.5), Note(64, 70, 0.25, 0.5), Note(60, 75, 0.5, 0.25))
    assert notes_of(timed(Answer(1, 1, notes), 2.0, Voice()), 2.0) == notes
