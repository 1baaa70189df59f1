import pytest
from hypothesis import given
from hypothesis import strategies as st

from improv.events import (
    CLOCK,
    ControlChange,
    NoteOff,
    NoteOn,
    PitchBend,
    Pressure,
    ProgramChange,
    Realtime,
    SongPosition,
    decode,
    encode,
)

CHANNEL, SEVEN, PITCH = st.integers(0, 15), st.integers(0, 127), st.integers(0, 127)
EVENTS = st.one_of(
    st.builds(NoteOn, PITCH, st.integers(1, 127), CHANNEL),
    st.builds(NoteOff, PITCH, CHANNEL),
    st.builds(ControlChange, SEVEN, SEVEN, CHANNEL),
    st.builds(ProgramChange, SEVEN, CHANNEL),
    st.builds(PitchBend, st.integers(-8192, 8191), CHANNEL),
    st.builds(Pressure, SEVEN, st.none() | PITCH, CHANNEL),
    st.builds(Realtime, st.sampled_from([0xF8, 0xFA, 0xFB, 0xFC])),
    st.builds(SongPosition, st.integers(0, 16383)),
)


@given(EVENTS)
def test_decoding_undoes_encoding(event):
    assert decode(encode(event)) == event


@given(st.binary(max_size=8))
def test_noise_is_either_an_event_or_nothing(data):
    event = decode(data)
    assert event is None or len(encode(event)) == len(data)


def test_a_note_on_without_velocity_is_a_note_off():
    assert decode(b"\x93\x3c\x00") == NoteOff(60, 3)


@pytest.mark.parametrize("data", [b"", b"\x3c\x40", b"\x90\x3c", b"\xf0\x7e\xf7", b"\xfe", b"\x90\x3c\x80"])
def test_what_is_no_event(data):
    assert decode(data) is None


def test_the_clock_is_an_event():
    assert decode(b"\xf8") == Realtime(CLOCK)
