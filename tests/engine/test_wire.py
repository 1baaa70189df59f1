import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from improv.engine.measure import typical
from improv.engine.wire import Answered, Bye, Question, Start, Warm, decode, encode, from_line, to_line
from improv.events import Note
from improv.play.turns import Answer

times = st.floats(0.001, 120.0)
notes = st.builds(Note, st.integers(0, 127), st.integers(1, 127), times, times)
words = st.one_of(
    st.builds(Warm, st.text(), times, times),
    st.builds(Answered, st.integers(0), st.lists(notes, min_size=1, max_size=4).map(tuple)),
    st.builds(Bye, st.text(), st.booleans()),
)


@given(words)
def test_what_is_said_is_understood(word):
    line = encode(word)
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert decode(line) == word


def test_a_question_goes_down_as_one_line():
    heard, brief = typical(25)
    question = Question(3, tuple(heard), brief)
    assert from_line(to_line(question), Question) == question
    assert to_line(question).count(b"\n") == 1
    with pytest.raises(TypeError):
        from_line(to_line(question), Start)


def test_an_answer_is_one_to_its_question():
    heard, brief = typical(25, revision=7)
    note = Note(60, 80, 0.0, 0.5)
    assert Answered(3, (note,)).answer(Question(3, tuple(heard), brief)) == Answer(7, brief.number, (note,))


def said(**changes):
    return json.dumps({"answer": 1, "notes": [[60, 80, 0.0, 0.5]]} | changes).encode()


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"I0000 00:00 gpu_device.cc:2433] Created device\n",
        b"[]",
        b"null",
        b"\xff\xfe",
        b"[" * 60_000,
        said(notes=[]),
        said(notes=[[60, 80, 0.0]]),
        said(notes=[[128, 80, 0.0, 0.5]]),
        said(notes=[[60, 0, 0.0, 0.5]]),
        said(notes=[[60, 80, -1.0, 0.5]]),
        said(notes=[[60, 80, 0.0, 0.0]]),
        said(notes=[[60, 80, 0.0, float("nan")]]),
        said(notes=[[60, 80, float("inf"), 0.5]]),
        said(notes=[[60, 80, 1e9, 0.5]]),
        said(notes=[[60, 80, 0.0, 1e300]]),
        said(notes=[["60", 80, 0.0, 0.5]]),
        said(notes={"60": 1}),
        said(answer="one"),
        said(answer=None),
        b'{"warm": "CPU", "keras_ms": 1.0}',
    ],
)
def test_nonsense_is_a_value_error(line):
    with pytest.raises(ValueError, match="nonsense"):
        decode(line)
