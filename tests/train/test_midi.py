import io
from pathlib import Path

import mido
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from improv.errors import CorpusError
from improv.events import NoteOff, NoteOn, encode
from improv.ports.link import Heard, Sent
from improv.sessions.export import to_midi
from improv.sessions.journal import parse
from improv.sessions.records import Opening, Released, encode_record
from improv.sessions.score import score
from improv.settings import Settings
from improv.train.midi import MOST_AT_ONCE, pack, read_notes
from improv.train.packed import unpacked

OPENING = Opening("0.1.0", "2026-01-01T00:00:00", 100.0, 3, "tutorial", "0" * 64, Settings())


def data_of(file):
    buffer = io.BytesIO()
    file.save(file=buffer)
    return buffer.getvalue()


def midi(*notes, tempo=500_000, track=()):
    """Return the bytes of a MIDI file of notes (ticks: onset, duration; pitch), 1000 ticks a beat."""
    events = [(at, mido.Message("note_on", note=pitch, velocity=80)) for at, _, pitch in notes]
    events += [(at + duration, mido.Message("note_off", note=pitch)) for at, duration, pitch in notes]
    messages, now = [mido.MetaMessage("set_tempo", tempo=tempo), *track], 0
    for at, message in sorted(events, key=lambda event: (event[0], event[1].type == "note_on")):
        messages.append(message.copy(time=at - now))
        now = at
    return data_of(mido.MidiFile(tracks=[mido.MidiTrack(messages)], ticks_per_beat=1000))


def journal(*events):
    """Return the bytes of a journal: (at, duration, pitch), or with a turn as a fourth what improv played."""
    records = []
    for at, duration, pitch, *turn in events:
        on, off = encode(NoteOn(pitch, 70)), encode(NoteOff(pitch))
        for moment, data in ((100.0 + at, on), (100.0 + at + duration, off)):
            records.append(Sent(turn[0], moment, moment, data) if turn else Heard(1, moment, "keys", data))
    records.sort(key=lambda record: record.at)
    return b"".join(encode_record(record).encode() + b"\n" for record in (OPENING, *records))


def refusal(name, data):
    with pytest.raises(CorpusError) as refused:
        pack(name, data)
    return str(refused.value)


def test_notes_are_packed_as_whole_numbers():
    notes = pack("a.mid", midi((500, 250, 67), (0, 1000, 64), (0, 1000, 60)))
    assert notes.dtype.itemsize == 10
    assert notes.tolist() == [(0, 500_000, 60, 80), (0, 500_000, 64, 80), (250_000, 125_000, 67, 80)]
    assert unpacked(notes)[2].tolist() == [67, 0.25, 0.125, 80]


def test_no_error_adds_up_over_a_long_file():
    # A third of a millisecond a tick: no step is a whole number of microseconds.
    notes = pack("a.mid", midi(*((1000 * at, 500, 60) for at in range(9000)), tempo=333_333))
    assert notes["step"].sum() == 8999 * 333_333
    # Where every tempo has fractions, the sum is still that of the last onset.
    track = [mido.MetaMessage("set_tempo", tempo=333_337, time=7)]
    notes = pack("a.mid", midi(*((1007 * at + 7, 500, 60) for at in range(2000)), tempo=1, track=track))
    assert notes["step"].sum() == round(1999 * 1007 * 333.337)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "broken: Invalid midi file! File size is less than 14"),
        (b"MThd" + bytes(20), "broken: "),
        (midi((0, 500, 60))[:-9], "broken: "),
        (midi(), "empty: no notes"),
        (midi((0, 500, 60)).replace(b"\x90", b"\x99").replace(b"\x80", b"\x89"), "empty: no notes but drums"),
        (midi((0, 500, 60)).replace((1000).to_bytes(2, "big"), bytes(2), 1), "broken: no ticks in a beat"),
        (midi((0, 500, 60)).replace((1000).to_bytes(2, "big"), b"\xe7\x28", 1), "broken: Division type"),
        (midi((0, 500, 60), (0, 10 * 3600 * 2000, 62)), "absurd: 10.0 hours long"),
        (midi((0, 500, 60), (10 * 3600 * 2000, 500, 62)), "absurd: 10.0 hours long"),
        (midi((0, 500, 60), (600 * 2000, 500, 62)), "absurd: a note or a pause of 10 minutes"),
        (midi((0, 600 * 2000, 60)), "absurd: a note or a pause of 10 minutes"),
        (midi(*((at, 1, 60) for at in range(5000))), "absurd: 2,000 notes a second"),
    ],
)
def test_what_is_no_music_is_refused_with_the_reason(data, why):
    assert refusal("a.mid", data).startswith(why)


def track_of(events):
    return (
        b"MThd\0\0\0\6\0\0\0\1\3\xe8MTrk" + len(events + b"\0\xff\x2f\0").to_bytes(4, "big") + events + b"\0\xff\x2f\0"
    )


def test_a_million_notes_at_one_tick_are_refused():
    # With running status: time, pitch, velocity.
    ons = b"\0\x90\x3c\x40" + b"\0\x3c\x40" * 999_999
    offs = b"\0\x80\x3c\x40" + b"\x01\x3c\x40" + b"\0\x3c\x40" * 999_998
    assert refusal("a.mid", track_of(ons + offs)) == "absurd: 1,000,000 notes at one moment"


def test_an_orchestra_may_play_at_once():
    chord = [(at * 1000, 900, pitch) for at in range(3) for pitch in range(128)]
    assert len(pack("a.mid", midi(*chord))) == 3 * 128
    twice = b"".join(b"\0\x90" + bytes((at % 128, 64)) for at in range(MOST_AT_ONCE + 1))
    offs = b"".join(b"\x01\x80" + bytes((at % 128, 64)) for at in range(MOST_AT_ONCE + 1))
    assert refusal("a.mid", track_of(twice + offs)) == f"absurd: {MOST_AT_ONCE + 1} notes at one moment"


def test_times_that_went_round_are_refused():
    # 40 times the longest pause that a file can write: more ticks than 32 bits count.
    notes = b"".join(b"\xff\xff\xff\x7f\x90" + bytes((60, velocity)) for velocity in (64, 0) * 20)
    assert refusal("a.mid", track_of(notes)).startswith("absurd: ")


def test_of_a_session_only_the_human_counts():
    data = journal((1.0, 0.5, 60), (2.0, 0.5, 72, 1), (3.0, 0.25, 62), (3.5, 0.5, 74, 1))
    assert pack("a.jsonl", data).tolist() == [(0, 500_000, 60, 70), (2_000_000, 250_000, 62, 70)]
    assert refusal("a.jsonl", journal((2.0, 0.5, 72, 1))) == "empty: nobody but improv played"
    assert refusal("a.jsonl", journal()) == "empty: nothing was played"
    assert refusal("a.jsonl", b'{"some": "thing"}\n') == "broken: no journal of ours"


def test_an_export_whose_journal_is_gone_has_the_human_alone_too():
    data = journal((1.0, 0.5, 60), (2.0, 0.5, 72, 1), (3.0, 0.25, 62))
    export = data_of(to_midi(score(parse(Path("a.jsonl"), data)), "a"))
    assert pack("a.mid", export)["pitch"].tolist() == [60, 62]
    # A track of that name in anybody else's file is music.
    other = midi((0, 500, 60), track=[mido.MetaMessage("track_name", name="machine")])
    assert len(pack("a.mid", other)) == 1


def test_a_pause_in_a_session_is_no_music():
    lost = encode_record(Released(100.0 + 11 * 3600 + 5000)).encode() + b"\n"
    data = journal((0, 1, 60), (11 * 3600, 1, 62)).rsplit(b"\n", 2)[0] + b"\n" + lost
    # 62 is held until the ports are lost.
    assert pack("a.jsonl", data).tolist() == [(0, 1_000_000, 60, 70), (60_000_000, 60_000_000, 62, 70)]


@given(
    st.lists(st.tuples(st.integers(0, 400), st.binary(max_size=4), st.integers(0, 8)), max_size=8), st.integers(0, 500)
)
def test_whatever_is_in_a_file_it_is_read_or_refused(changes, end):
    data = bytearray(midi(*((at * 300, 250, 40 + at) for at in range(40))))
    for at, put, drop in changes:
        data[at : at + drop] = put
    try:
        notes = pack("a.mid", bytes(data[: len(data) - max(0, end - 250)]))
    except CorpusError as error:
        assert str(error).partition(":")[0] in {"broken", "empty", "absurd"}
        return
    assert len(notes)
    assert (notes["step"] >= 0).all()
    assert (notes["duration"] >= 0).all()
    assert (notes["pitch"] <= 127).all()
    assert np.isfinite(unpacked(notes)).all()


def test_one_file_can_be_read_alone(tmp_path):
    (tmp_path / "a.mid").write_bytes(midi((0, 1000, 60)))
    assert read_notes(tmp_path / "a.mid").tolist() == [[60, 0, 0.5, 80]]
    (tmp_path / "b.mid").write_bytes(b"MThd")
    with pytest.raises(CorpusError, match=r"b\.mid: broken: "):
        read_notes(tmp_path / "b.mid")
    with pytest.raises(CorpusError, match=r"c\.mid: No such file"):
        read_notes(tmp_path / "c.mid")
