from functools import partial
from math import inf

from hypothesis import given, settings
from hypothesis import strategies as st

from improv.beat import Grid
from improv.events import ControlChange, NoteOff, NoteOn, PitchBend, ProgramChange, Realtime, decode, encode
from improv.play.gate import BACKLOG, Gate, Policy, policy_of
from improv.play.schedule import LEDGER_SIZE, Ledger, Send
from improv.ports.link import (
    Accepted,
    Extend,
    Extended,
    Heard,
    Lead,
    Listening,
    Plan,
    Refused,
    Retimed,
    Silenced,
    Silencing,
    Yielded,
)
from improv.settings import BargeIn, Ports


def on(pitch, velocity=80, channel=0):
    return encode(NoteOn(pitch, velocity, channel))


def off(pitch, channel=0):
    return encode(NoteOff(pitch, channel))


def control(number, value, channel=0):
    return encode(ControlChange(number, value, channel))


def sent(actions):
    return [(action.due, action.data) for action in actions if isinstance(action, Send)]


def heard(actions):
    return [action.data for action in actions if isinstance(action, Heard)]


def told(actions, kind):
    return [action for action in actions if isinstance(action, kind)]


def two_notes(start):
    return ((start, on(60)), (start + 0.5, off(60)), (start + 0.5, on(64)), (start + 1.0, off(64)))


def answer(turn=1, basis=0, start=1.0, *, yields=True):
    """Two notes, one after the other, half a second each."""
    return Plan(turn, basis, two_notes(start), yields)


# ---- what is heard ----------------------------------------------------------------------------------


def test_a_human_event_is_numbered_stamped_and_named():
    gate = Gate(Policy(), seq=41)
    assert gate.receive(1.5, "keys", on(60)) == [Heard(42, 1.5, "keys", on(60))]
    assert gate.seq == 42


def test_a_note_on_with_velocity_zero_is_a_note_off():
    assert heard(Gate(Policy()).receive(1.0, "keys", bytes((0x90, 60, 0)))) == [off(60)]


def test_sysex_active_sensing_and_noise_are_dropped_and_the_clock_goes_on():
    gate = Gate(Policy())
    for noise in (b"", b"\xf0\x01\xf7", b"\xfe", b"\x90\x3c", b"\x90\x3c\xff", b"\x01\x02\x03"):
        assert gate.receive(1.0, "keys", noise) == []
    assert heard(gate.receive(1.0, "keys", b"\xf8")) == [b"\xf8"]


@given(st.lists(st.tuples(st.floats(0, 10), st.binary(max_size=4)), max_size=50))
def test_whatever_comes_in_is_heard_in_order_or_dropped(messages):
    gate = Gate(Policy(thru=True))
    stamps = []
    for at, data in messages:
        for action in told(gate.receive(at, "keys", data), Heard):
            assert decode(action.data) is not None
            stamps.append((action.seq, action.at))
    assert stamps == sorted(stamps)


def test_only_the_chosen_channel_is_heard_and_the_clock():
    gate = Gate(Policy(input_channel=2))
    assert gate.receive(1.0, "keys", on(60)) == []
    assert heard(gate.receive(1.0, "keys", on(60, channel=2))) == [on(60, channel=2)]
    assert heard(gate.receive(1.0, "keys", encode(Realtime(0xF8)))) == [b"\xf8"]


def test_the_backlog_has_all_but_the_clock():
    gate = Gate(Policy())
    for number in range(BACKLOG + 10):
        gate.receive(number, "keys", off(number % 128))
        gate.receive(number, "keys", b"\xf8")
    assert len(gate.since(0)) == BACKLOG
    assert [each.seq for each in gate.since(gate.seq - 4)] == [gate.seq - 3, gate.seq - 1]


def test_what_was_held_on_a_lost_port_is_released():
    gate = Gate(Policy())
    gate.receive(1.0, "keys", on(60))
    gate.receive(1.0, "keys", on(64))
    gate.receive(1.0, "keys", control(64, 127))
    gate.receive(1.0, "page", on(67))
    gate.receive(2.0, "keys", off(60))
    assert heard(gate.port_lost(3.0, "keys")) == [off(64), control(64, 0)]
    assert gate.port_lost(4.0, "keys") == []


def test_settings_become_seconds_and_channels_from_zero():
    ports = Ports(input_channel=3, output_channel=10, echo_ms=20, program=1, bank=129, output_offset_ms=-12)
    policy = policy_of(ports, BargeIn(cut="now", ghost_ms=50))
    assert policy == Policy(
        input_channel=2,
        output_channel=9,
        echo=0.02,
        program=0,
        bank=129,
        fade=0.0,
        ghost=0.05,
        ghost_velocity=12,
        offset=-0.012,
    )


# ---- plans ------------------------------------------------------------------------------------------


def test_a_plan_sounds_in_time_on_our_channel():
    gate = Gate(Policy(output_channel=5))
    assert gate.plan(0.5, answer()) == [Accepted(1, 0.5)]
    assert gate.next_due() == 1.0
    assert sent(gate.pop_due(1.0)) == [(1.0, on(60, channel=5))]
    assert sent(gate.pop_due(1.5)) == [(1.5, off(60, 5)), (1.5, on(64, channel=5))]
    assert sent(gate.pop_due(2.0)) == [(2.0, off(64, 5))]


def test_what_a_plan_may_not_send_is_left_out():
    gate = Gate(Policy())
    gate.plan(0.0, Plan(1, 0, ((1.0, b"\xf0\x01\xf7"), (1.0, b"\xf8"), (1.0, b"\x90"), (1.0, bytes((0x90, 60, 0))))))
    assert gate.pop_due(9.0) == []


def test_a_slow_synthesizer_is_sent_its_notes_earlier():
    gate = Gate(Policy(offset=0.125, thru=True))
    gate.plan(0.5, answer())
    gate.extend(0.5, Extend(1, ((2.0, on(50)), (2.5, off(50)))))
    assert sent(gate.play_until(1.6)) == [(0.875, on(60)), (1.375, off(60)), (1.375, on(64))]
    gate.retime(1.75, Grid(0.0, 0.0, 1.0), Grid(2.0, 2.0, 0.5))
    assert sent(gate.play_until(9.0)) == [(1.875, off(64)), (1.875, on(50)), (2.125, off(50))]
    assert sent(gate.receive(10.0, "keys", on(60))) == [(10.0, on(60))]


def test_a_plan_replaces_one_that_has_not_sounded():
    gate = Gate(Policy())
    gate.plan(0.1, answer(turn=1))
    gate.plan(0.2, answer(turn=2, start=3.0))
    assert sent(gate.pop_due(2.9)) == []
    assert [action.turn for action in gate.pop_due(3.0)] == [2]


def test_a_plan_is_refused_while_one_sounds():
    gate = Gate(Policy())
    gate.plan(0.1, answer(turn=1))
    gate.pop_due(1.0)
    assert gate.plan(1.1, answer(turn=2, start=3.0)) == [Refused(2)]
    gate.pop_due(1.5)
    gate.pop_due(2.0)
    assert gate.plan(2.1, answer(turn=3, start=3.0)) == [Accepted(3, 2.1)]


def test_a_plan_that_has_not_heard_what_counts_is_refused():
    gate = Gate(Policy())
    gate.receive(1.0, "keys", on(72))
    gate.receive(1.1, "keys", off(72))
    assert gate.plan(1.2, answer(basis=0)) == [Refused(1)]
    assert gate.plan(1.2, answer(turn=2, basis=1, start=2.0)) == [Accepted(2, 1.2)]


def test_a_flush_ends_our_notes_now_and_keeps_thru():
    gate = Gate(Policy(thru=True))
    gate.plan(0.1, answer())
    gate.pop_due(1.0)
    gate.receive(1.1, "keys", on(40, velocity=1))
    assert sent(gate.flush(1.2)) == [(1.2, off(60))]
    assert sent(gate.receive(2.0, "keys", off(40))) == [(2.0, off(40))]


# ---- barge-in ---------------------------------------------------------------------------------------


def test_when_the_human_plays_pending_notes_are_dropped_and_sounding_ones_fade():
    gate = Gate(Policy(fade=0.15))
    gate.plan(0.1, answer())
    gate.pop_due(1.0)
    actions = gate.receive(1.2, "keys", on(72))
    assert actions == [Heard(1, 1.2, "keys", on(72)), Yielded(1, 1, 1.2)]
    assert sent(gate.pop_due(9.0)) == [(1.2 + 0.15, off(60))]


def test_when_told_to_cut_at_once_offs_leave_with_the_note():
    gate = Gate(Policy(fade=0.0))
    gate.plan(0.1, answer())
    gate.pop_due(1.0)
    assert gate.receive(1.2, "keys", on(72))[1:] == [Yielded(1, 1, 1.2), Send(1, 1.2, off(60))]


def test_a_note_before_the_answer_cancels_it():
    gate = Gate(Policy())
    gate.plan(0.1, answer())
    assert told(gate.receive(0.9, "keys", on(72)), Yielded) == [Yielded(1, 1, 0.9)]
    assert gate.next_due() == inf


def test_nobody_is_told_of_yielding_when_nothing_was_planned():
    gate = Gate(Policy())
    gate.plan(0.1, answer())
    gate.pop_due(1.0), gate.pop_due(1.5), gate.pop_due(2.0)
    assert told(gate.receive(3.0, "keys", on(72)), Yielded) == []


def test_what_is_due_before_the_note_is_sent_before_it():
    gate = Gate(Policy())
    gate.plan(0.1, answer())
    assert gate.receive(1.1, "keys", on(72)) == [
        Send(1, 1.0, on(60)),
        Heard(1, 1.1, "keys", on(72)),
        Yielded(1, 1, 1.1),
    ]


def test_nothing_is_handled_before_what_has_happened():
    """An input that the driver's thread stamped, but handed over after a later note had left."""
    gate = Gate(Policy())
    gate.plan(0.1, answer())
    gate.pop_due(1.0005)
    assert told(gate.receive(0.9999, "keys", on(72)), Heard)[0].at == 1.0


def test_a_ghost_note_counts_only_if_it_is_held():
    gate = Gate(Policy(ghost_velocity=12, ghost=0.06))
    gate.plan(0.1, answer())
    gate.receive(0.2, "keys", on(72, velocity=11))
    gate.receive(0.25, "keys", off(72))
    assert gate.pop_due(0.3) == []
    gate.receive(0.4, "keys", on(72, velocity=11))
    assert gate.next_due() == 0.4 + 0.06
    assert gate.pop_due(0.5) == [Yielded(1, 3, 0.4 + 0.06)]
    assert gate.next_due() == inf
    assert gate.plan(0.6, answer(turn=2, basis=2)) == [Refused(2)]


def test_a_ghost_note_struck_again_is_another_note():
    gate = Gate(Policy(ghost_velocity=12, ghost=0.06))
    gate.plan(0.1, answer())
    for at in (0.2, 0.25, 0.30):
        gate.receive(at, "keys", on(72, velocity=5))
        gate.receive(at + 0.04, "keys", off(72))
    assert gate.pop_due(0.9) == []


def test_controllers_offs_and_the_clock_do_not_count():
    gate = Gate(Policy())
    gate.plan(0.1, answer())
    for data in (off(60), control(64, 127), encode(PitchBend(5)), b"\xf8"):
        assert told(gate.receive(0.5, "keys", data), Yielded) == []
    assert gate.next_due() == 1.0


def test_all_notes_off_from_the_player_silences_us_at_once():
    for number in (120, 123):
        gate = Gate(Policy(thru=True))
        gate.plan(0.1, answer())
        gate.receive(0.9, "keys", on(40, velocity=1))
        gate.pop_due(0.92)
        gate.receive(0.93, "keys", off(40))
        gate.receive(0.94, "keys", on(41, velocity=1))
        gate.pop_due(1.0)
        gate.plan(1.1, answer(turn=2, start=1.1))
        actions = gate.receive(1.2, "keys", control(number, 0))
        assert {data for _, data in sent(actions)} >= {off(41)}
        assert gate.next_due() == inf
        assert gate.port_lost(2.0, "keys") == []


def test_a_duet_is_neither_refused_nor_cut_by_a_note():
    gate = Gate(Policy())
    gate.receive(0.5, "keys", on(72))
    assert gate.plan(0.6, answer(basis=0, yields=False)) == [Accepted(1, 0.6)]
    gate.receive(0.7, "keys", on(73))
    gate.pop_due(1.0)
    gate.receive(1.1, "keys", on(74, velocity=3))
    assert sent(gate.play_until(9.0)) == [(1.5, off(60)), (1.5, on(64)), (2.0, off(64))]
    assert gate.plan(9.1, answer(turn=2, basis=1)) == [Refused(2)], "what yields must have heard the last note"


def test_all_notes_off_cuts_a_duet_too():
    gate = Gate(Policy())
    gate.plan(0.1, answer(yields=False))
    gate.pop_due(1.0)
    assert gate.receive(1.2, "keys", control(123, 0))[1:] == [Yielded(1, 1, 1.2), Send(1, 1.2, off(60))]
    assert gate.extend(1.3, Extend(1, two_notes(2.0))) == [Refused(1)]


def test_notes_on_the_other_side_of_the_split_are_heard_and_do_not_count():
    gate = Gate(Policy(thru=True))
    assert gate.listen(0.1, 60, 127) == [Listening(0.1, 60, 127)]
    gate.plan(0.2, answer())
    for at, velocity in ((0.3, 80), (0.5, 3)):
        actions = gate.receive(at, "keys", on(59, velocity))
        assert heard(actions) == [on(59, velocity)]
        assert sent(actions)[-1] == (at, on(59, velocity))
    assert gate.pop_due(0.9) == []
    assert gate.plan(0.95, answer(turn=2)) == [Accepted(2, 0.95)]
    assert heard(gate.port_lost(0.96, "keys")) == [off(59)]
    assert told(gate.receive(0.97, "keys", on(60)), Yielded) == [Yielded(2, 4, 0.97)]


# ---- streams ----------------------------------------------------------------------------------------


def test_more_of_a_turn_is_played_before_it_begins_while_it_sounds_and_after_its_last_note():
    gate = Gate(Policy())
    gate.plan(0.1, answer())
    assert gate.extend(0.2, Extend(1, two_notes(2.0))) == [Extended(1, 0.2)]
    played = gate.play_until(2.2)
    assert gate.extend(2.3, Extend(1, two_notes(3.0))) == [Extended(1, 2.3)]
    played += gate.play_until(4.5)
    assert gate.next_due() == inf
    assert gate.extend(4.6, Extend(1, two_notes(5.0))) == [Extended(1, 4.6)]
    played += gate.play_until(9.0)
    ons = [(send.turn, send.due) for send in played if send.data[0] == 0x90]
    assert ons == [(1, start + step) for start in (1.0, 2.0, 3.0, 5.0) for step in (0.0, 0.5)]


def test_a_note_that_sounds_into_the_next_part_gets_its_off_before_it_is_struck_again():
    gate = Gate(Policy())
    gate.plan(0.1, Plan(1, 0, ((1.0, on(60)), (3.0, off(60)))))
    gate.pop_due(1.0)
    gate.extend(1.5, Extend(1, ((2.0, on(60, 90)), (2.5, off(60)))))
    assert sent(gate.pop_due(2.0)) == [(2.0, off(60)), (2.0, on(60, 90))]
    assert sent(gate.play_until(9.0)) == [(2.5, off(60))]


def test_a_turn_that_was_replaced_or_ended_is_not_extended():
    gate = Gate(Policy())
    assert gate.extend(0.0, Extend(1, two_notes(1.0))) == [Refused(1)]
    gate.plan(0.1, answer())
    gate.plan(0.2, answer(turn=2))
    assert gate.extend(0.3, Extend(1, two_notes(1.0))) == [Refused(1)]
    ends = (gate.panic, gate.flush, partial(gate.flush, how=Silencing.DROP), gate.output_lost)
    for at, end in zip((0.4, 0.5, 0.6, 0.7), ends, strict=True):
        assert gate.extend(at, Extend(2, two_notes(1.0))) == [Extended(2, at)]
        end(at)
        assert gate.extend(at, Extend(2, two_notes(1.0))) == [Refused(2)]
        gate.output_back(at)
        gate.plan(at, answer(turn=2))


def test_the_player_ends_a_stream_between_its_notes_too():
    gate = Gate(Policy())
    gate.plan(0.1, answer())
    gate.play_until(2.5)
    assert told(gate.receive(2.6, "keys", on(72)), Yielded) == []
    assert gate.extend(2.7, Extend(1, two_notes(3.0))) == [Refused(1)]


def test_the_player_does_not_end_a_duet_between_its_notes():
    gate = Gate(Policy())
    gate.plan(0.1, answer(yields=False))
    gate.play_until(2.5)
    gate.receive(2.6, "keys", on(72))
    assert gate.extend(2.7, Extend(1, two_notes(3.0))) == [Extended(1, 2.7)]


# ---- silence, asked for -----------------------------------------------------------------------------


def test_told_to_yield_it_ends_as_if_the_player_had_played():
    gate = Gate(Policy(fade=0.15))
    gate.plan(0.1, answer(yields=False))
    gate.pop_due(1.0)
    assert gate.flush(1.2, Silencing.YIELD) == [Silenced(1.2, Silencing.YIELD)]
    assert gate.plan(1.25, answer(turn=2, start=3.0)) == [Accepted(2, 1.25)]
    assert sent(gate.pop_due(2.9)) == [(1.2 + 0.15, off(60))]


def test_a_drop_lets_what_sounds_end_by_itself_and_the_next_plan_begin():
    gate = Gate(Policy())
    gate.plan(0.1, Plan(1, 0, ((1.0, control(64, 127)), *two_notes(1.0))))
    gate.pop_due(1.0)
    assert gate.flush(1.2, Silencing.DROP) == [Silenced(1.2, Silencing.DROP)]
    assert gate.plan(1.3, answer(turn=2, start=1.4)) == [Accepted(2, 1.3)]
    assert sent(gate.pop_due(1.4)) == [(1.4, off(60)), (1.4, on(60))]
    assert sent(gate.play_until(9.0)) == [(1.5, control(64, 0)), (1.9, off(60)), (1.9, on(64)), (2.4, off(64))]


def test_what_a_drop_lets_ring_yields_to_the_player():
    gate = Gate(Policy(fade=0.15))
    gate.plan(0.1, answer())
    gate.pop_due(1.0)
    gate.flush(1.1, Silencing.DROP)
    assert told(gate.receive(1.2, "keys", on(72)), Yielded) == [Yielded(1, 1, 1.2)]
    assert sent(gate.play_until(9.0)) == [(1.2 + 0.15, off(60))]


def test_only_what_may_be_asked_for_is_told():
    assert Gate(Policy()).flush(1.0, Silencing.PANIC) == [Silenced(1.0, Silencing.FLUSH)]


# ---- another tempo ----------------------------------------------------------------------------------


def test_what_waits_keeps_its_beat():
    slow, fast = Grid(0.0, 0.0, 1.0), Grid(1.25, 1.25, 0.5)
    gate = Gate(Policy())
    gate.plan(0.1, answer())
    gate.pop_due(1.0)
    assert gate.retime(1.25, slow, fast) == [Retimed(1.25, slow, fast)]
    assert sent(gate.play_until(9.0)) == [(1.375, off(60)), (1.375, on(64)), (1.625, off(64))]


def test_nothing_is_said_of_another_tempo_when_nothing_of_ours_waits():
    slow, fast = Grid(0.0, 0.0, 1.0), Grid(0.0, 0.0, 0.5)
    gate = Gate(Policy(thru=True))
    gate.receive(0.1, "keys", on(60))
    assert gate.retime(0.2, slow, fast) == []
    gate.plan(0.3, answer(basis=1))
    gate.play_until(3.0)
    assert gate.retime(3.1, slow, fast) == []
    assert gate.retime(3.1, slow, Grid(0.0, 0.0, 0.0)) == []


def test_a_jump_ahead_sends_what_was_just_missed_in_order_and_drops_the_rest():
    here, there = Grid(0.0, 0.0, 1.0), Grid(0.0, 1.7, 1.0)
    gate = Gate(Policy())
    gate.plan(0.1, Plan(1, 0, (*two_notes(1.0), *two_notes(2.0))))
    # What was due at 1.0 and 1.5 has been missed by 0.8 and 0.3, what is due at 2.0 is due at 0.3 now.
    assert gate.retime(0.1, here, there)[1:] == []
    assert [due for due, data in sent(gate.play_until(9.0)) if data[0] == 0x90] == [2.0 - 1.7, 2.5 - 1.7]
    gate.plan(9.1, answer(turn=2, start=10.0))
    actions = gate.retime(9.9, here, Grid(0.0, 0.7, 1.0))
    assert sent(actions) == [(9.9, on(64))], "missed by 0.1 s; the first by 0.6 s"
    assert sent(gate.play_until(99.0)) == [(10.3, off(64))]


def test_notes_stay_as_long_as_they_may_and_can_be():
    gate = Gate(Policy(max_note=1.0))
    gate.plan(0.0, answer())
    gate.retime(0.5, Grid(0.0, 0.5, 1.0), Grid(0.0, 0.5, 4.0))
    assert [due for due, _ in sent(gate.play_until(99.0))] == [4.0, 5.0, 6.0, 7.0]
    gate.plan(99.0, answer(turn=2, start=100.0))
    gate.retime(99.5, Grid(99.5, 0.0, 1.0), Grid(99.5, 0.0, 0.001))
    offs = [due for due, data in sent(gate.play_until(199.0)) if data[0] == 0x80]
    assert offs == [99.5 + 0.0005 + 0.02, 99.5 + 0.001 + 0.02]


def test_what_was_cut_or_dropped_ends_when_it_would_have():
    for how, end in ((Silencing.YIELD, 1.2 + 0.15), (Silencing.DROP, 1.5)):
        gate = Gate(Policy(fade=0.15))
        gate.plan(0.1, answer())
        gate.pop_due(1.0)
        gate.flush(1.2, how)
        assert gate.retime(1.2, Grid(0.0, 0.0, 0.5), Grid(0.0, 0.0, 4.0)) == []
        assert sent(gate.play_until(9.0)) == [(end, off(60))]


# ---- echo and thru ----------------------------------------------------------------------------------


def test_our_own_notes_coming_back_are_not_heard():
    gate = Gate(Policy(echo=0.03))
    gate.plan(0.1, answer())
    gate.pop_due(1.0)
    assert gate.receive(1.02, "keys", on(60, velocity=3)) == []
    gate.pop_due(1.5)
    assert heard(gate.receive(1.6, "keys", off(60))) == []  # late, but its on was an echo
    assert heard(gate.receive(1.7, "keys", on(60))) == [on(60)]


def test_a_different_channel_pitch_or_time_is_no_echo():
    gate = Gate(Policy(echo=0.03))
    gate.plan(0.1, answer())
    gate.pop_due(1.0)
    assert heard(gate.receive(1.01, "keys", on(61))) == [on(61)]
    assert heard(gate.receive(1.02, "keys", on(60, channel=1))) == [on(60, channel=1)]
    assert heard(gate.receive(1.0301, "keys", on(60))) == [on(60)]


def test_a_finger_that_leaves_a_key_as_our_off_leaves_is_heard():
    gate = Gate(Policy(ghost_velocity=127, ghost=60))
    gate.plan(0.1, answer())
    gate.receive(0.5, "keys", on(60))
    gate.pop_due(1.0)
    gate.pop_due(1.5)
    assert heard(gate.receive(1.51, "keys", off(60))) == [off(60)]


def test_thru_passes_everything_but_time():
    gate = Gate(Policy(thru=True, output_channel=5))
    for data in (on(60), control(1, 77), encode(PitchBend(-3)), encode(ProgramChange(4)), off(60)):
        assert sent(gate.receive(1.0, "keys", data)) == [(1.0, data)]
    assert sent(gate.receive(1.0, "keys", b"\xf8")) == []


def test_thru_is_off_by_default():
    assert sent(Gate(Policy()).receive(1.0, "keys", on(60))) == []


def test_a_loop_through_thru_ends_at_once():
    gate = Gate(Policy(thru=True))
    for data in (on(60), control(7, 100), off(60)):
        gate.receive(1.0, "keys", data)
        assert gate.receive(1.005, "loop", data) == []


def test_thru_notes_of_a_lost_port_get_their_offs():
    gate = Gate(Policy(thru=True))
    gate.receive(1.0, "keys", on(60))
    gate.receive(1.0, "keys", control(64, 127))
    assert sent(gate.port_lost(2.0, "keys")) == [(2.0, off(60)), (2.0, control(64, 0))]


# ---- our clock --------------------------------------------------------------------------------------


def test_the_clock_is_sent_beside_the_music():
    gate = Gate(Policy())
    gate.plan(0.1, answer())
    assert gate.lead(0.2, Lead(Grid(1.0, 0.0, 24.0), running=True)) == [Send(0, 0.2, b"\xfa")]
    assert gate.lead(0.3, Lead(Grid(1.0, 0.0, 24.0), running=False)) == [Send(0, 0.3, b"\xfc")]
    assert (gate.next_due(), gate.rests_until()) == (1.0, 1.0)
    assert sent(gate.pop_due(1.0)) == [(1.0, b"\xf8"), (1.0, on(60))]
    assert sent(gate.pop_due(1.5)) == [(1.5, off(60)), (1.5, on(64))]
    assert gate.pop_due(2.0) == [Send(0, 2.0, b"\xf8"), Send(1, 2.0, off(64))]
    assert (gate.next_due(), gate.rests_until()) == (3.0, inf)
    assert told(gate.receive(2.1, "keys", on(72)), Heard)[0].at == 2.1
    assert gate.pop_due(3.0) == [Send(0, 3.0, b"\xf8")]
    assert told(gate.receive(2.9, "keys", off(72)), Heard)[0].at == 2.9, "the clock holds nothing up"


def test_while_we_lead_a_clock_that_comes_in_is_our_own():
    gate = Gate(Policy())
    gate.lead(0.2, Lead(Grid(0.0, 0.0, 0.5), running=False))
    transport = (b"\xf8", b"\xfa", b"\xfb", b"\xfc", b"\xf2\x01\x02")
    assert [gate.receive(0.3, "keys", data) for data in transport] == [[]] * 5
    gate.lead(0.4, Lead(None, running=False))
    assert [heard(gate.receive(0.5, "keys", data)) for data in transport] == [[data] for data in transport]


def test_a_grid_that_is_none_leads_nobody():
    gate = Gate(Policy())
    for grid in (Grid(0.0, 0.0, 0.0), Grid(inf, 0.0, 0.5), Grid(0.0, 0.0, 0.5, bar=0)):
        assert gate.lead(0.0, Lead(grid, running=True)) == []
        assert gate.next_due() == inf


# ---- the output -------------------------------------------------------------------------------------


def test_our_set_up_is_sent_when_the_output_opens():
    gate = Gate(Policy(program=19, bank=130, output_channel=2))
    assert sent(gate.output_back(1.0)) == [
        (1.0, control(0, 1, 2)),
        (1.0, control(32, 2, 2)),
        (1.0, encode(ProgramChange(19, 2))),
    ]


def test_what_a_predecessor_owes_is_sent_first():
    gate = Gate(Policy(program=0), owed=[off(60), control(64, 0)])
    assert [data for _, data in sent(gate.output_back(1.0))] == [off(60), control(64, 0), encode(ProgramChange(0))]
    assert [data for _, data in sent(gate.output_back(2.0))] == [encode(ProgramChange(0))]


def test_what_is_owed_to_a_lost_output_is_sent_when_it_is_back():
    gate = Gate(Policy())
    gate.plan(0.1, answer())
    gate.pop_due(1.0)
    assert gate.output_lost(1.2) == [Silenced(1.2, Silencing.OUTPUT_LOST)]
    assert gate.pop_due(2.0) == []
    assert sent(gate.output_back(3.0)) == [(3.0, off(60))]
    assert gate.plan(3.1, answer(turn=2, start=4.0)) == [Accepted(2, 3.1)]


def test_a_panic_ends_our_notes_first_and_then_silences_our_channels_in_order():
    gate = Gate(Policy(output_channel=3))
    gate.plan(0.1, answer())
    gate.pop_due(1.0)
    silence = [control(number, 0, 3) for number in (64, 66, 67)]
    silence.append(encode(PitchBend(0, 3)))
    silence += [control(number, 0, 3) for number in (123, 120, 121)]
    assert [data for _, data in sent(gate.panic(1.2))] == [off(60, 3), *silence]
    assert gate.next_due() == inf


def test_a_panic_reaches_every_channel_that_we_have_used():
    gate = Gate(Policy(output_channel=3, thru=True))
    gate.receive(1.0, "keys", on(60, channel=9))
    assert {data[0] & 0x0F for _, data in sent(gate.panic(2.0))} == {3, 9}


# ---- anything at all --------------------------------------------------------------------------------

GAPS = st.floats(0, 0.4)
PITCHES = st.integers(60, 62)
NOTES = st.builds(on, PITCHES, st.integers(1, 40)) | st.builds(off, PITCHES)
PEDALS = st.builds(control, st.sampled_from((64, 66, 1)), st.integers(0, 127))
PORTS = st.sampled_from(("keys", "page"))
PARTS = st.lists(st.tuples(GAPS, NOTES | PEDALS), max_size=12)
PLANS = st.tuples(st.just("plan"), st.integers(0, 3), PARTS, st.booleans())
LATE = st.floats(-0.4, 0.4)
EXTENDS = st.tuples(st.just("extend"), st.integers(0, 1), st.lists(st.tuples(LATE, NOTES | PEDALS), max_size=8))
PERIODS = st.sampled_from((0.25, 0.5, 0.6))
RETIMES = st.tuples(st.just("retime"), st.floats(-1, 1), PERIODS, PERIODS)
SPLITS = st.tuples(st.just("listen"), PITCHES, PITCHES)
FLUSHES = st.tuples(st.just("flush"), st.sampled_from((Silencing.FLUSH, Silencing.YIELD, Silencing.DROP)))
LOSSES = st.tuples(st.just("port_lost"), PORTS)
STEERING = EXTENDS | RETIMES | SPLITS | FLUSHES
PLAYING = PLANS | STEERING | st.tuples(st.just("receive"), PORTS, NOTES) | LOSSES
FAULTS = st.tuples(st.sampled_from(("panic", "output_lost", "output_back", "successor")))
PANICS = st.tuples(st.just("receive"), PORTS, st.just(control(123, 0)) | PEDALS)
CALM = st.lists(st.tuples(GAPS, PLAYING), max_size=25)
WILD = st.lists(st.tuples(GAPS, PLAYING | FAULTS | PANICS), max_size=25)
POLICIES = st.builds(
    Policy,
    thru=st.booleans(),
    fade=st.sampled_from((0.0, 0.15)),
    max_note=st.sampled_from((0.2, 11.0)),
    echo=st.sampled_from((0.0, 0.03)),
    offset=st.sampled_from((0.0, 0.1, -0.1)),
)


class Wire:
    """Does with the gate's actions what the ports process does: to the output, if there is one, and to the ledger."""

    def __init__(self):
        self.cells = bytearray(LEDGER_SIZE)
        self.ledger = Ledger(self.cells)
        self.is_open = True
        self.sent = []
        self.told = []
        self.plans = {}
        self.more = []

    def perform(self, actions):
        for action in actions:
            if isinstance(action, Send):
                self.ledger.leaving(action.data)
                self.ledger.left(action.data)
                if self.is_open:
                    self.sent.append((action.turn, action.due, action.data))
            else:
                self.told.append(action)

    def drive(self, gate, policy, score):
        """Play a score of (gap, step), looking at what is due a little late and at odd moments."""
        now = 0.0
        for gap, (step, *details) in score:
            now += gap
            self.perform(gate.pop_due(now - gap * 0.6))
            self.perform(gate.pop_due(now - gap * 0.2))
            if step == "plan":
                turn = len(self.plans) + 1
                events = tuple((now + due, data) for due, data in details[1])
                self.plans[turn] = Plan(turn, gate.seq - details[0], events, details[2])
                self.perform(gate.plan(now, self.plans[turn]))
            elif step == "extend":
                more = Extend(len(self.plans) - details[0], tuple((now + due, data) for due, data in details[1]))
                actions = gate.extend(now, more)
                if told(actions, Extended):
                    self.more.append(more)
                self.perform(actions)
            elif step == "retime":
                shift, period, after = details
                self.perform(gate.retime(now, Grid(now, 4.0, period), Grid(now + shift, 4.0, after)))
            elif step == "successor":
                gate = Gate(policy, seq=gate.seq, owed=self.ledger.owed())
                self.is_open = True
                self.perform(gate.output_back(now))
            elif step == "output_back":
                self.is_open = True
                self.perform(gate.output_back(now))
            elif step == "output_lost":
                self.perform(gate.output_lost(now))
                self.is_open = False
            else:
                self.perform(getattr(gate, step)(now - gap * 0.3 if step == "receive" else now, *details))
        return gate, now


@settings(max_examples=150, deadline=None)
@given(WILD, POLICIES)
def test_whatever_happens_nothing_is_left_sounding(score, policy):
    wire = Wire()
    gate, now = wire.drive(Gate(policy), policy, score)
    wire.is_open = True
    wire.perform(gate.output_back(now))
    for port in ("keys", "page"):
        wire.perform(gate.port_lost(now, port))
    wire.perform(gate.pop_due(now + 1e12))  # many changes of tempo take far
    assert not any(wire.cells)
    assert gate.next_due() == inf


@settings(max_examples=150, deadline=None)
@given(WILD, POLICIES)
def test_no_note_on_is_ever_sent_without_its_off(score, policy):
    wire = Wire()
    gate, now = wire.drive(Gate(policy), policy, score)
    wire.is_open = True
    wire.perform(gate.output_back(now))
    wire.perform(gate.panic(now + 1))
    sounding = set()
    for _, _, data in wire.sent:
        key = (data[0] & 0x0F, data[1])
        if data[0] & 0xF0 == 0x90:
            assert key not in sounding, "struck again without its off"
            sounding.add(key)
        elif data[0] & 0xF0 == 0x80:
            sounding.discard(key)
    assert not sounding


@settings(max_examples=150, deadline=None)
@given(CALM, POLICIES)
def test_a_replay_of_what_was_heard_and_accepted_sends_the_same(score, policy):
    """The journal has events as heard and plans as taken over. That is enough, whenever the live loop looked."""
    live, again = Wire(), Wire()
    gate, end = live.drive(Gate(policy), policy, score)
    live.perform(gate.play_until(end + 0.2))
    gate, more = Gate(policy), iter(live.more)
    for event in live.told:
        if not isinstance(event, Yielded | Refused):
            again.perform(gate.play_until(event.at))
        match event:
            case Heard(_, at, port, data):
                again.perform(gate.receive(at, port, data))
            case Accepted(turn, at):
                again.perform(gate.plan(at, live.plans[turn]))
            case Extended(_, at):
                again.perform(gate.extend(at, next(more)))
            case Silenced(at, how):
                again.perform(gate.flush(at, how))
            case Retimed(at, before, after):
                again.perform(gate.retime(at, before, after))
            case Listening(at, lowest, highest):
                again.perform(gate.listen(at, lowest, highest))
    again.perform(gate.play_until(end + 0.2))
    assert again.sent == live.sent
    assert again.told == [event for event in live.told if not isinstance(event, Refused)]


def test_controllers_are_heard_on_a_channel_of_their_own_and_not_passed_on():
    gate = Gate(Policy(input_channel=0, control_channel=15, thru=True))
    gate.output_back(0.0)
    for event in (ControlChange(21, 64, 15), ProgramChange(3, 15)):
        assert [type(action) for action in gate.receive(1.0, "in", encode(event))] == [Heard]
    for event in (NoteOn(60, 80, 15), ControlChange(123, 0, 15), ControlChange(21, 64, 5)):
        assert gate.receive(1.0, "in", encode(event)) == []
