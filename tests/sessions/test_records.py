import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

import improv
from improv.errors import SessionError
from improv.ports.link import Accepted, Heard, PortState, Refused, Sent, Yielded
from improv.sessions.records import (
    Ended,
    Lost,
    Opening,
    Planned,
    Record,
    Released,
    Restarted,
    decode_record,
    encode_record,
)
from improv.settings import Controls, Model, Ports, Settings

times = st.floats(allow_nan=False, allow_infinity=False)
numbers = st.integers(0, 2**53)
# Lone surrogates too: that is how drivers' odd bytes come out of Python.
names = st.text(st.characters())
messages = st.binary(min_size=1, max_size=3)
settings = st.builds(
    Settings,
    ports=st.builds(Ports, inputs=st.lists(names).map(tuple), output=st.none() | names, thru=st.booleans()),
    model=st.builds(Model, name=names, seed=st.none() | numbers),
    controls=st.builds(Controls, temperature=times, style=st.none() | names, lowest=st.integers(0, 127)),
)
ports = st.tuples(names, st.booleans())
records = st.one_of(
    st.builds(Opening, names, names, times, numbers, names, names, settings),
    st.builds(Heard, numbers, times, names, messages),
    st.builds(
        Planned,
        numbers,
        numbers,
        times,
        numbers,
        numbers,
        st.lists(st.tuples(times, messages), max_size=9).map(tuple),
        st.sampled_from(["numpy", "keras"]),
    ),
    st.builds(Accepted, numbers, times),
    st.builds(Refused, numbers),
    st.builds(Yielded, numbers, numbers, times),
    st.builds(Sent, numbers, times, times, messages),
    st.builds(PortState, names, st.lists(ports).map(tuple), ports, st.lists(names).map(tuple), names),
    st.builds(Released, times),
    st.builds(Restarted, times),
    st.builds(Lost, numbers),
    st.builds(Ended, times, names),
)


@given(records)
def test_what_is_read_back_equals_what_was_written(record: Record):
    line = encode_record(record)
    assert "\n" not in line
    assert line.isascii()
    assert decode_record(line) == record
    assert encode_record(decode_record(line.encode())) == line


def test_a_human_note_reads_as_one_plain_line():
    heard = Heard(7, 12.000000000000002, "Keystation", bytes((0x90, 60, 64)))
    assert encode_record(heard) == '{"type":"in","seq":7,"at":12.000000000000002,"port":"Keystation","data":"903c40"}'


@given(st.binary(max_size=40) | records.map(encode_record).map(lambda line: line[: len(line) // 2].encode()))
def test_noise_is_a_session_error(noise: bytes):
    with pytest.raises(SessionError):
        decode_record(noise)


@pytest.mark.parametrize(
    "line",
    [
        "[]",
        "7",
        "null",
        '"in"',
        "[" * 100_000,
        '{"type":"in"}',
        '{"type":"later"}',
        '{"type":["in"]}',
        '{"type":"in","seq":"1","at":1.0,"port":"p","data":"903c40"}',
        '{"type":"in","seq":true,"at":1.0,"port":"p","data":"903c40"}',
        '{"type":"in","seq":1,"at":1.0,"port":"p","data":"903c4"}',
        '{"type":"in","seq":1,"at":1.0,"port":"p","data":"903c40","more":1}',
        '{"type":"plan","turn":1,"basis":1,"shift":0.0,"revision":1,"call":1,"events":[[1.0]]}',
        '{"type":"ports","backend":"jack","inputs":["a"],"output":["b",true],"connected":[],"message":""}',
    ],
)
def test_what_is_no_record_is_a_session_error(line: str):
    with pytest.raises(SessionError):
        decode_record(line)


def test_a_plan_of_an_earlier_version_was_thought_out_by_numpy():
    line = '{"type":"plan","turn":1,"basis":2,"shift":0.0,"revision":3,"call":4,"events":[]}'
    assert decode_record(line) == Planned(1, 2, 0.0, 3, 4, (), "numpy")


def test_settings_of_another_version_are_read_as_far_as_they_are_known():
    opening = Opening(improv.__version__, "2026-01-01T00:00:00", 1.0, 3, "m", "h", Settings(model=Model("m", seed=3)))
    line = json.loads(encode_record(opening))
    line["settings"]["model"]["swing"] = 0.6
    line["settings"]["stage"] = {"port": 8765}
    del line["settings"]["turns"]
    del line["settings"]["ports"]["thru"]
    assert decode_record(json.dumps(line)) == opening


def test_what_earlier_versions_called_otherwise_is_understood():
    old = {"model": {"name": "lstm", "style": "jazz"}, "sampling": {"temperature": 0.7, "lowest": 40}}
    line = json.loads(encode_record(Opening("0.2", "now", 1.0, 7, "lstm", "hash", Settings()))) | {"settings": old}
    opening = decode_record(json.dumps(line))
    assert isinstance(opening, Opening)
    assert opening.settings.controls == Controls(temperature=0.7, lowest=40, style="jazz")
