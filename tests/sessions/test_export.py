import os

import mido
import pretty_midi
import pytest
from hypothesis import given
from hypothesis import strategies as st

from improv.errors import SessionError
from improv.events import NoteOff, NoteOn, encode
from improv.ports.link import Heard, Sent
from improv.sessions.export import export, to_midi, unexported
from improv.sessions.score import score

from .music import T0, human, machine, pedal, session, write


def ticks(track: mido.MidiTrack) -> list[tuple[int, mido.Message]]:
    now, timed = 0, []
    for message in track:
        now += message.time
        timed.append((now, message))
    return timed


def test_a_jam_becomes_four_tracks(tmp_path):
    music = session(
        human(3, 60, 0.5, 81), pedal(3.1, 127), pedal(3.4, 0), machine(2, 5, 67, 1, 47), machine(3, 9, 67, 1)
    )
    journal = write(tmp_path / "2026-01-01_20-00-00.jsonl", music)
    export(journal, tmp_path / "out" / "session.mid")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["session.mid"]
    file = mido.MidiFile(tmp_path / "out" / "session.mid")
    assert (file.type, file.ticks_per_beat) == (1, 960)
    assert [track.name for track in file.tracks] == ["2026-01-01_20-00-00", "human", "machine", "controllers"]
    conductor = ticks(file.tracks[0])
    assert [at for at, message in conductor if message.type in {"set_tempo", "time_signature"}] == [0, 0]
    assert [(at, m.text) for at, m in conductor if m.type == "marker"] == [
        (3 * 1920, "answer 1"),
        (7 * 1920, "answer 2"),
    ]
    heard = [(at, m.type, m.note, m.velocity) for at, m in ticks(file.tracks[1]) if not m.is_meta]
    assert heard == [(1920, "note_on", 60, 81), (2880, "note_off", 60, 64)]
    ours = [(at, m.type, m.note, m.channel) for at, m in ticks(file.tracks[2]) if not m.is_meta]
    assert ours[:2] == [(3 * 1920, "note_on", 67, 1), (4 * 1920, "note_off", 67, 1)]
    pedals = [(at, m.control, m.value, m.channel) for at, m in ticks(file.tracks[3]) if not m.is_meta]
    assert pedals == [(2112, 64, 127, 0), (2688, 64, 0, 0)]


def test_others_read_it_as_it_was_played(tmp_path):
    journal = write(tmp_path / "a.jsonl", session(human(3, 60, 0.5, 81), pedal(3.1, 127), machine(2, 5, 67, 1, 47)))
    export(journal, tmp_path / "a.mid")
    midi = pretty_midi.PrettyMIDI(str(tmp_path / "a.mid"))
    notes = {(n.pitch, n.velocity, n.start, n.end) for instrument in midi.instruments for n in instrument.notes}
    assert notes == {(60, 81, 1.0, 1.5), (67, 47, 3.0, 4.0)}
    assert midi.get_tempo_changes()[1].tolist() == [120.0]


moments = st.floats(0, 30, allow_nan=False)
messages = st.one_of(
    st.builds(NoteOn, st.integers(60, 63), st.integers(1, 127), st.integers(0, 1)),
    st.builds(NoteOff, st.integers(60, 63), st.integers(0, 1)),
).map(encode)
events = st.one_of(
    st.builds(lambda at, port, data: Heard(1, T0 + at, port, data), moments, st.sampled_from("ab"), messages),
    st.builds(lambda at, turn, data: Sent(turn, T0 + at, T0 + at, data), moments, st.integers(0, 3), messages),
)


@given(st.lists(events, max_size=40))
def test_whatever_happened_every_note_begins_and_ends_once(records):
    records = [*human(31, 60, 0.5), *records]
    file = to_midi(score(session(records)), "any")
    for track in file.tracks[1:3]:
        sounding = set()
        for _, message in ticks(track):
            if message.type == "note_on":
                assert (message.channel, message.note) not in sounding
                sounding.add((message.channel, message.note))
            elif message.type == "note_off":
                sounding.remove((message.channel, message.note))
        assert not sounding
        assert all(message.time >= 0 for message in track)


def test_notes_shorter_than_a_tick_have_one():
    file = to_midi(score(session(human(1, 60, 0.0), human(2, 60, 0.0001), human(2.0001, 60, 1.0))), "short")
    notes = [(at, m.type) for at, m in ticks(file.tracks[1]) if not m.is_meta]
    assert notes == [(1920, "note_on"), (1921, "note_off"), (3840, "note_on"), (5760, "note_off")]


def test_rounding_does_not_add_up():
    steps = [1 + number * 0.1001 for number in range(1000)]
    file = to_midi(score(session(*(human(at, 60, 0.05) for at in steps))), "long")
    onsets = [at for at, message in ticks(file.tracks[1]) if message.type == "note_on"]
    assert onsets == [round(at * 1920) for at in steps]


def test_a_journal_without_music_and_a_place_without_room_are_session_errors(tmp_path):
    with pytest.raises(SessionError, match="nothing was played"):
        export(write(tmp_path / "a.jsonl", session()), tmp_path / "a.mid")
    journal = write(tmp_path / "b.jsonl", session(human(1, 60, 1)))
    (tmp_path / "file").touch()
    with pytest.raises(SessionError, match="file"):
        export(journal, tmp_path / "file" / "b.mid")
    (tmp_path / "b.mid").mkdir()
    with pytest.raises(SessionError, match=r"b\.mid"):
        export(journal, tmp_path / "b.mid")
    assert {path.name for path in tmp_path.iterdir()} == {"a.jsonl", "b.jsonl", "file", "b.mid"}


def test_jams_that_did_not_end_well_are_found(tmp_path):
    for name in ("2", "1", "3", "4"):
        write(tmp_path / f"{name}.jsonl", session(human(1, 60, 1)))
    (tmp_path / "empty.jsonl").touch()
    export(tmp_path / "2.jsonl", tmp_path / "2.mid")
    export(tmp_path / "3.jsonl", tmp_path / "3.mid")
    os.utime(tmp_path / "3.mid", (1, 1))  # exported while it still went on
    assert [path.name for path in unexported(tmp_path)] == ["1.jsonl", "3.jsonl", "4.jsonl"]
    assert unexported(tmp_path / "nowhere") == []
