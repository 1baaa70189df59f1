from math import inf

from hypothesis import given, settings
from hypothesis import strategies as st

from improv.events import ControlChange, NoteOff, NoteOn, PitchBend, ProgramChange, Realtime, decode, encode
from improv.play.gate import BACKLOG, Gate, Policy, policy_of
from improv.play.schedule import LEDGER_SIZE, Ledger, Send
from improv.ports.link import Accepted, Heard, Plan, Refused, Silenced, Silencing, Yielded
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


def answer(turn=1, basis=0, start=1.0):
    """Two notes, one after the other, half a second each."""
    events = ((start, on(60)), (start + 0.5, off(60)), (start + 0.5, on(64)), (start + 1.0, off(64)))
    return Plan(turn, basis, events)


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
    ports = Ports(input_channel=3, output_channel=10, echo_ms=20, program=1, bank=129)
    policy = policy_of(ports, BargeIn(cut="now", ghost_ms=50))
    assert policy == Policy(
        input_channel=2, output_channel=9, echo=0.02, program=0, bank=129, fade=0.0, ghost=0.05, ghost_velocity=12
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
    assert gate.plan(1.2, answer(turn=2, basis=1)) == [Accepted(2, 1.2)]


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
PLANS = st.tuples(st.just("plan"), st.integers(0, 3), st.lists(st.tuples(GAPS, NOTES | PEDALS), max_size=12))
PLAYING = PLANS | st.tuples(st.just("receive"), PORTS, NOTES) | st.tuples(st.just("port_lost"), PORTS)
FAULTS = st.tuples(st.sampled_from(("flush", "panic", "output_lost", "output_back", "successor")))
PANICS = st.tuples(st.just("receive"), PORTS, st.just(control(123, 0)) | PEDALS)
CALM = st.lists(st.tuples(GAPS, PLAYING), max_size=25)
WILD = st.lists(st.tuples(GAPS, PLAYING | FAULTS | PANICS), max_size=25)
POLICIES = st.builds(
    Policy,
    thru=st.booleans(),
    fade=st.sampled_from((0.0, 0.15)),
    max_note=st.sampled_from((0.2, 11.0)),
    echo=st.sampled_from((0.0, 0.03)),
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
                self.plans[turn] = Plan(turn, gate.seq - details[0], events)
                self.perform(gate.plan(now, self.plans[turn]))
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
    wire.perform(gate.pop_due(now + 100))
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
    gate = Gate(policy)
    for event in live.told:
        if isinstance(event, Heard | Accepted):
            again.perform(gate.play_until(event.at))
        if isinstance(event, Heard):
            again.perform(gate.receive(event.at, event.port, event.data))
        elif isinstance(event, Accepted):
            again.perform(gate.plan(event.at, live.plans[event.turn]))
    again.perform(gate.play_until(end + 0.2))
    assert again.sent == live.sent
    assert again.told == [event for event in live.told if not isinstance(event, Refused)]
