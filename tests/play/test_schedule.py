from math import inf

from hypothesis import given
from hypothesis import strategies as st

from improv.events import ControlChange, NoteOff, NoteOn, ProgramChange, encode
from improv.play.schedule import LEDGER_SIZE, TOO_LATE, Ledger, Schedule, Send


def on(pitch, velocity=80, channel=0):
    return encode(NoteOn(pitch, velocity, channel))


def off(pitch, channel=0):
    return encode(NoteOff(pitch, channel))


def pedal(value, control=64):
    return encode(ControlChange(control, value))


def sent(sends):
    return [(send.due, send.data) for send in sends]


def make(*events, turn=1, max_note=inf):
    schedule = Schedule(max_note)
    schedule.add(turn, events)
    return schedule


def test_notes_leave_when_they_are_due():
    schedule = make((1.0, on(60)), (1.5, off(60)))
    assert schedule.next_due() == 1.0
    assert schedule.pop_due(0.99) == []
    assert schedule.pop_due(1.0) == [Send(1, 1.0, on(60))]
    assert schedule.next_due() == 1.5
    assert schedule.pop_due(1.6) == [Send(1, 1.5, off(60))]
    assert schedule.next_due() == inf


def test_at_equal_times_offs_come_first_then_controllers_then_ons():
    program = encode(ProgramChange(3))
    schedule = make((0.0, on(60)), (1.0, on(62)), (1.0, program), (1.0, off(60)), (2.0, off(62)))
    schedule.pop_due(0.0)
    assert sent(schedule.pop_due(1.0)) == [(1.0, off(60)), (1.0, program), (1.0, on(62))]


def test_events_of_equal_time_and_kind_keep_their_order():
    schedule = make(*[(0.0, on(pitch)) for pitch in (64, 60, 67)], *[(1.0, off(pitch)) for pitch in (64, 60, 67)])
    assert [send.data[1] for send in schedule.pop_due(0.0)] == [64, 60, 67]


def test_a_repeated_pitch_gets_its_off_first():
    schedule = make((0.0, on(60)), (1.0, on(60, 90)), (1.5, off(60)), (2.0, off(60)))
    schedule.pop_due(0.0)
    assert sent(schedule.pop_due(1.0)) == [(1.0, off(60)), (1.0, on(60, 90))]
    assert sent(schedule.pop_due(3.0)) == [(2.0, off(60))]


def test_a_missing_off_comes_after_the_longest_note():
    schedule = make((1.0, on(60)), max_note=11.0)
    assert sent(schedule.pop_due(1.0)) == [(1.0, on(60))]
    assert sent(schedule.pop_due(12.0)) == [(12.0, off(60))]


def test_a_note_is_never_longer_than_the_longest():
    schedule = make((1.0, on(60)), (40.0, off(60)), max_note=11.0)
    schedule.pop_due(1.0)
    assert schedule.next_due() == 12.0


def test_an_off_that_ends_nothing_is_left_out():
    assert make((1.0, off(60))).next_due() == inf


def test_a_drop_forgets_what_has_not_begun_and_keeps_owed_offs():
    schedule = make((1.0, on(60)), (1.2, on(64)), (1.4, off(60)), (1.5, off(64)))
    schedule.pop_due(1.0)
    schedule.drop(1.0)
    assert sent(schedule.pop_due(2.0)) == [(1.4, off(60))]


def test_a_cut_ends_sounding_notes_within_the_fade_each_at_its_own_off_if_earlier():
    schedule = make((1.0, on(60)), (1.0, on(64)), (1.1, on(67)), (1.1, off(64)), (5.0, off(60)), (5.0, off(67)))
    schedule.pop_due(1.0)
    schedule.cut(1.05, 0.15)
    assert sent(schedule.pop_due(9.0)) == [(1.1, off(64)), (1.2, off(60))]


def test_a_cut_at_once_is_due_at_once():
    schedule = make((1.0, on(60)), (5.0, off(60)))
    schedule.pop_due(1.0)
    schedule.cut(1.5)
    assert sent(schedule.pop_due(1.5)) == [(1.5, off(60))]


def test_a_cut_lifts_our_pedal_once():
    schedule = make((1.0, pedal(127)), (1.0, on(60)), (5.0, off(60)), (6.0, pedal(0)))
    schedule.pop_due(1.0)
    schedule.cut(1.5)
    schedule.cut(1.5)
    assert sent(schedule.pop_due(9.0)) == [(1.5, off(60)), (1.5, pedal(0))]


def test_a_pedal_left_down_is_lifted_at_the_end():
    schedule = make((1.0, pedal(127)), (1.0, on(60)), (2.0, off(60)))
    assert sent(schedule.pop_due(2.0))[-1] == (2.0, pedal(0))


def test_a_note_much_too_late_is_dropped_with_its_off():
    schedule = make((1.0, on(60)), (1.1, off(60)), (1.0 + TOO_LATE, on(64)), (3.0, off(64)))
    assert sent(schedule.pop_due(1.01 + TOO_LATE)) == [(1.0 + TOO_LATE, on(64))]


def test_thru_notes_are_not_cut():
    schedule = Schedule()
    assert sent(schedule.thru(1.0, on(60))) == [(1.0, on(60))]
    schedule.cut(2.0)
    assert schedule.pop_due(9.0) == []
    assert sent(schedule.thru(3.0, off(60))) == [(3.0, off(60))]
    assert schedule.thru(3.1, off(60)) == []


def test_a_thru_off_does_not_end_our_note_of_the_same_pitch():
    schedule = make((2.0, on(60)), (4.0, off(60)))
    schedule.thru(1.0, on(60))
    assert sent(schedule.pop_due(2.0)) == [(2.0, off(60)), (2.0, on(60))]
    assert schedule.thru(3.0, off(60)) == []
    assert sent(schedule.pop_due(4.0)) == [(4.0, off(60))]


def test_a_release_ends_everything():
    schedule = make((1.0, pedal(127)), (1.0, on(60)), (2.0, on(64)), (3.0, off(60)), (3.0, off(64)))
    schedule.thru(0.5, on(40))
    schedule.thru(0.5, pedal(100, 67))
    schedule.pop_due(1.0)
    assert {send.data for send in schedule.release(1.5)} == {off(60), off(40), pedal(0), pedal(0, 67)}
    assert schedule.next_due() == inf
    assert schedule.release(1.6) == []


def test_a_turn_is_busy_while_it_waits_or_sounds():
    schedule = make((1.0, on(60)), (2.0, off(60)), turn=7)
    assert schedule.busy(7)
    assert not schedule.busy(8)
    schedule.pop_due(1.0)
    assert schedule.busy(7)
    schedule.pop_due(2.0)
    assert not schedule.busy(7)


def test_the_ledger_counts_before_an_on_leaves_and_after_an_off_has_left():
    cells = bytearray(LEDGER_SIZE)
    ledger = Ledger(cells)
    ledger.leaving(on(60, channel=3))
    ledger.left(on(60, channel=3))
    ledger.leaving(pedal(127))
    ledger.leaving(pedal(127, 67))
    ledger.leaving(off(60, 3))
    assert Ledger(cells).owed() == [off(60, 3), pedal(0), pedal(0, 67)]
    for message in ledger.owed():
        ledger.left(message)
    assert not any(cells)


def test_the_ledger_neither_overflows_nor_goes_below_zero():
    cells = bytearray(LEDGER_SIZE)
    ledger = Ledger(cells)
    ledger.left(off(1))
    for _ in range(300):
        ledger.leaving(on(1))
    assert len(ledger.owed()) == 255


EVENTS = st.lists(
    st.tuples(
        st.floats(0, 10),
        st.one_of(
            st.builds(on, st.integers(60, 63), st.integers(1, 127), st.integers(0, 1)),
            st.builds(off, st.integers(60, 63), st.integers(0, 1)),
            st.builds(pedal, st.integers(0, 127), st.sampled_from((64, 66, 67, 1))),
        ),
    ),
    max_size=30,
)


@given(EVENTS, st.lists(st.floats(0, 12), max_size=20))
def test_every_note_on_has_its_off(events, moments):
    cells = bytearray(LEDGER_SIZE)
    ledger = Ledger(cells)
    schedule = make(*events, max_note=2.0)
    last = -inf
    for now in (*sorted(moments), 20.0):
        for send in schedule.pop_due(now):
            assert send.due >= last
            last = send.due
            ledger.leaving(send.data)
            assert max(cells[: 16 * 128]) <= 1, "a pitch that sounds was struck again without its off"
            ledger.left(send.data)
    assert not any(cells)
