import pytest

from improv.errors import SessionError
from improv.events import ControlChange, NoteOn, PitchBend, ProgramChange, encode
from improv.ports.link import Heard, PortState, Sent
from improv.sessions.records import Released, Restarted
from improv.sessions.score import Answered, score

from .music import T0, human, machine, pedal, session


def test_human_and_machine_are_told_apart_in_seconds_from_the_start():
    music = score(session(human(3.0, 60, 0.5), human(3.25, 64, 0.5, 90), machine(4, 5.0, 62, 1.0)))
    # The jam lasted two seconds before anybody played: one of them is kept.
    assert [(p.note.onset, p.note.pitch, p.note.duration, p.note.velocity, p.turn) for p in music.human] == [
        (1.0, 60, 0.5, 64, 0),
        (1.25, 64, 0.5, 90, 0),
    ]
    assert [(p.note.onset, p.note.pitch, p.note.duration, p.turn) for p in music.machine] == [(3.0, 62, 1.0, 4)]
    assert music.answers == (Answered(1, 3.0, 4.0),)
    assert music.end == 4.0


def test_a_jam_that_begins_with_a_note_begins_with_the_jam():
    assert score(session(human(0.25, 60, 0.5))).human[0].note.onset == 0.25


def test_they_share_no_channel():
    music = score(session(human(1, 60, 0.5), machine(1, 2, 60, 0.5)))
    assert {p.channel for p in music.human} == {0}
    assert {p.channel for p in music.machine} == {1}


def test_answers_that_sounded_are_numbered_from_one():
    music = score(session(human(1, 60, 0.5), machine(4, 3, 60, 1), machine(4, 3.5, 62, 1), machine(9, 8, 60, 0.5)))
    assert music.answers == (Answered(1, 3.0, 4.5), Answered(2, 8.0, 8.5))


def test_a_note_without_an_end_ends_with_the_session_or_its_port_or_its_brain():
    def on(pitch: int) -> list[Heard]:
        return [Heard(1, T0 + 1, "keys", encode(NoteOn(pitch, 64)))]

    def ours(pitch: int) -> list[Sent]:
        return [Sent(1, T0 + 1, T0 + 1, encode(NoteOn(pitch, 64)))]

    music = score(session(on(60), human(4, 62, 1.0)))
    assert [p.note.duration for p in music.human] == [4.0, 1.0]
    music = score(session(on(60), ours(65), [Released(T0 + 3)], human(4, 62, 1.0)))
    assert [p.note.duration for p in (*music.human, *music.machine)] == [2.0, 1.0, 2.0]
    music = score(session(on(60), ours(65), [Restarted(T0 + 3)], human(4, 62, 1.0)))
    assert [p.note.duration for p in (*music.human, *music.machine)] == [4.0, 1.0, 2.0]


def test_a_key_struck_again_ends_its_note_and_keys_of_two_ports_are_two():
    music = score(session(human(1, 60, 3.0), human(2, 60, 0.5)))
    assert [(p.note.onset, p.note.duration) for p in music.human] == [(1.0, 1.0), (2.0, 0.5)]
    music = score(session(human(1, 60, 3.0), human(2, 60, 0.5, port="pads")))
    assert [(p.note.onset, p.note.duration) for p in music.human] == [(1.0, 3.0), (2.0, 0.5)]


def test_thru_and_set_up_are_not_the_machines_music():
    thru = [Sent(0, T0 + 1, T0 + 1, encode(NoteOn(60, 64))), Sent(0, T0 + 1, T0 + 1, encode(ControlChange(64, 127)))]
    organ = [Sent(0, T0, T0, encode(ControlChange(0, 1))), Sent(0, T0, T0, encode(ProgramChange(19)))]
    panic = [Sent(0, T0 + 9, T0 + 9, encode(PitchBend(0))), Sent(0, T0 + 9, T0 + 9, encode(ControlChange(123, 0)))]
    music = score(session(organ, human(1, 60, 0.5), thru, machine(1, 2, 65, 1), panic))
    assert [p.note.pitch for p in music.machine] == [65]
    assert [data for _, data in music.controllers] == [encode(ControlChange(0, 1, 1)), encode(ProgramChange(19, 1))]


def test_controllers_keep_their_time_and_the_clock_is_left_out():
    clock = [
        Heard(9, T0 + 1, "keys", b"\xf8"),
        Heard(9, T0 + 1, "keys", b"\xfa"),
        Heard(9, T0 + 1, "k", b"\xf2\x00\x01"),
    ]
    music = score(session(human(1, 60, 0.5), pedal(1.25, 127), pedal(2.5, 0), clock))
    assert music.controllers == (
        (1.25, encode(ControlChange(64, 127))),
        (2.5, encode(ControlChange(64, 0))),
    )


def test_a_pedal_that_is_still_down_comes_up_with_the_last_event():
    music = score(session(human(1, 60, 0.5), pedal(1.25, 127), human(2, 62, 1.0)))
    assert music.controllers == ((1.25, encode(ControlChange(64, 127))), (3.0, encode(ControlChange(64, 0))))


def test_a_session_in_which_nobody_played_has_no_score():
    state = PortState("none", (), ("", False))
    for silent in (session(), session(pedal(1, 127)), session([state], ordered=False)):
        with pytest.raises(SessionError, match="nothing was played"):
            score(silent)
