"""What the ports process does with everything that happens to it, as values: input and plans in, actions out.

Pure and without a clock, so that `replay` runs the very same code: an event stamped t is handled after everything
that is due at or before t. Times are float seconds of the session clock, channels 0-15. Not thread-safe: the
deadline thread of the ports process owns it. Never raises, whatever bytes come in.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from math import inf, isfinite
from typing import TYPE_CHECKING

from improv.beat import Grid
from improv.events import (
    ALL_NOTES_OFF,
    ALL_SOUND_OFF,
    CLOCK,
    PITCHES,
    RESET_CONTROLLERS,
    ControlChange,
    Event,
    NoteOff,
    NoteOn,
    PitchBend,
    ProgramChange,
    Realtime,
    SongPosition,
    decode,
    encode,
)
from improv.play.echo import Echoes
from improv.play.pulse import Pulse
from improv.play.schedule import PEDALS, Key, Schedule, Send
from improv.ports.link import (
    LONGEST_WISH,
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
    TimedBytes,
    Wish,
    Wished,
    Yielded,
)

if TYPE_CHECKING:  # at run time their checked types would cost the ports process 40 ms of imports
    from improv.settings import BargeIn, Ports

BACKLOG = 4096

Action = Send | Heard | Accepted | Extended | Refused | Yielded | Silenced | Retimed | Listening | Wished

_PEDAL_DOWN = 64
_BANK, _BANK_LOW = 0, 32


@dataclass(frozen=True, slots=True)
class Policy:
    """The settings that the gate works by: seconds, and channels and programs from 0."""

    input_channel: int | None = None  # None: all
    control_channel: int | None = None  # controllers and program changes are heard on this one too
    output_channel: int = 0
    thru: bool = False
    echo: float = 0.030
    program: int | None = None
    bank: int | None = None
    max_note: float = 11.0
    fade: float = 0.150  # 0: cut at once
    ghost_velocity: int = 12
    ghost: float = 0.060
    offset: float = 0.0  # plans are sent this much earlier than they are to sound: `Send.due` is when they leave


def policy_of(ports: "Ports", barge_in: "BargeIn", control_channel: int | None = None) -> Policy:
    """Return the gate's share of the settings, in its own units. `control_channel`: that of controllers (1-16)."""
    return Policy(
        control_channel=None if control_channel is None else control_channel - 1,
        input_channel=None if ports.input_channel is None else ports.input_channel - 1,
        output_channel=ports.output_channel - 1,
        thru=ports.thru,
        echo=ports.echo_ms / 1000,
        program=None if ports.program is None else ports.program - 1,
        bank=ports.bank,
        max_note=ports.max_note_s,
        fade=barge_in.fade_ms / 1000 if barge_in.cut == "fade" else 0.0,
        ghost_velocity=barge_in.ghost_velocity,
        ghost=barge_in.ghost_ms / 1000,
        offset=ports.output_offset_ms / 1000,
    )


@dataclass(slots=True)
class _Turn:
    """The plan taken over last, until it is cut. All of it may have been sent: it can still be extended."""

    number: int
    yields: bool
    began: bool = False  # whether a note of it has been sent
    is_dropped: bool = False  # nothing more of it begins


class Gate:
    """Between the human and the machine: hears, lets plans sound, and makes them yield.

    `seq` is the number of the last human event of a predecessor, `owed` the messages that end what it left sounding.
    """

    def __init__(self, policy: Policy, *, seq: int = 0, owed: Iterable[bytes] = ()) -> None:
        self._policy = policy
        self._schedule = Schedule(policy.max_note)
        self._pulse = Pulse()
        self._owed = list(owed)
        self._is_open = False  # whether there is an output that can be sent what is owed
        self._is_lost = False  # whether there was one, and it has gone
        self._seq = seq
        self._yielded = 0  # the seq that a plan must have heard
        self._turn: _Turn | None = None
        self._lowest, self._highest = 0, PITCHES - 1  # the player's notes that make us yield
        self._floor = -inf  # nothing is handled before what has been
        self._held: dict[str, dict[Key, int]] = {}  # port -> key held -> its seq
        self._pedals: dict[str, dict[Key, None]] = {}
        self._ghosts: deque[tuple[float, int, str, Key]] = deque()  # soft note-ons that may yet count
        self._echoes = Echoes(policy.echo)
        self._channels = {policy.output_channel}
        self._backlog: deque[Heard] = deque(maxlen=BACKLOG)

    @property
    def seq(self) -> int:
        """The number of the last human event."""
        return self._seq

    def since(self, seq: int) -> list[Heard]:
        """Return the kept human events numbered above `seq`. The clock is not kept."""
        return [heard for heard in self._backlog if heard.seq > seq]

    def next_due(self) -> float:
        """Return when `pop_due` will next have something to do, `inf` if nothing waits."""
        return min(self.rests_until(), self._pulse.next_due())

    def rests_until(self) -> float:
        """Return when something other than our clock will be due, `inf` if nothing waits."""
        return min(self._schedule.next_due(), self._ghosts[0][0] if self._ghosts else inf)

    def pop_due(self, now: float) -> list[Action]:
        """Return what is due at or before `now`. While we lead, `now` must be the time it really is."""
        ticks: list[Action] = [Send(0, due, data) for due, data in self._pulse.pop_due(now)]
        return ticks + self._pop_until(now)

    def play_until(self, end: float) -> list[Action]:
        """Return what is due at or before `end`, each at its due time exactly: for a replay, before what comes next.

        Nobody leads in a replay: the clock is not kept.
        """
        actions: list[Action] = []
        while (due := self.next_due()) <= end and due < inf:
            actions += self.pop_due(due)
        return actions

    def skip_to(self, seq: int) -> None:
        """Go on numbering after `seq`: for a replay of a record with gaps."""
        self._seq = seq

    def receive(self, at: float, port: str, data: bytes) -> list[Action]:
        """Take in one MIDI message of the human, stamped `at`. Noise, SysEx, other channels and echoes are dropped."""
        at, actions = self._reach(at)
        event = decode(data)
        if event is None or not self._listens_to(event):
            return actions
        if self._pulse.is_leading and isinstance(event, Realtime | SongPosition):
            return actions  # our own clock, coming back
        data = encode(event)
        is_held = isinstance(event, NoteOff) and (event.channel, event.pitch) in self._held.get(port, {})
        if self._echoes.has(at, port, event, data, is_held=is_held):
            return actions
        return actions + self._hear(at, port, event, data)

    def plan(self, now: float, plan: Plan) -> list[Action]:
        """Take over a plan, or refuse it: the player has played on, an earlier one sounds, or the output has gone."""
        now, actions = self._reach(now)
        turn = self._turn
        sounding = turn is not None and turn.began and not turn.is_dropped and self._schedule.busy(turn.number)
        if (plan.yields and plan.basis < self._yielded) or sounding or self._is_lost:
            return [*actions, Refused(plan.turn)]
        self._schedule.drop(now)
        actions += self._pop(now)
        self._turn = _Turn(plan.turn, plan.yields)
        self._schedule.add(plan.turn, self._on_our_channel(plan.events))
        # What is due already is judged now, as a replay will: how late it is must not depend on who looks next.
        return [*actions, Accepted(plan.turn, now), *self._pop(now)]

    def extend(self, now: float, more: Extend) -> list[Action]:
        """Add to the turn under way, or refuse to: that turn is over, or the output has gone."""
        now, actions = self._reach(now)
        if self._turn is None or self._turn.number != more.turn or self._turn.is_dropped:
            return [*actions, Refused(more.turn)]
        self._schedule.add(more.turn, self._on_our_channel(more.events))
        return [*actions, Extended(more.turn, now), *self._pop(now)]

    def flush(self, now: float, how: Silencing = Silencing.FLUSH) -> list[Action]:
        """Drop what waits; end our sounding notes at once (FLUSH), within the fade (YIELD) or as they would (DROP).

        The human's thru notes go on.
        """
        now, actions = self._reach(now)
        if how not in {Silencing.YIELD, Silencing.DROP}:
            how = Silencing.FLUSH  # the rest is not for the asking
        actions.append(Silenced(now, how))
        if how is not Silencing.DROP:
            return actions + self._cut(now, self._policy.fade if how is Silencing.YIELD else 0.0)
        if self._turn is not None:
            self._turn.is_dropped = True
        self._schedule.drop(max(now, self._schedule.last_off()))
        return actions + self._pop(now)

    def retime(self, now: float, before: Grid, after: Grid) -> list[Action]:
        """Move what waits of the turn under way from one grid to the other.

        What was cut or dropped ends when it would have.
        """
        now, actions = self._reach(now)
        if self._turn is None or self._turn.is_dropped or not (_is_whole(before) and _is_whole(after)):
            return actions
        offset = self._policy.offset

        def move(due: float) -> float:
            return after.time_at(before.beat_at(due + offset)) - offset

        if not self._schedule.retime(self._turn.number, now, move):
            return actions
        return [*actions, Retimed(now, before, after), *self._pop(now)]

    def listen(self, now: float, lowest: int, highest: int) -> list[Action]:
        """Yield to the human's notes between these pitches, both included, and to no others."""
        now, actions = self._reach(now)
        self._lowest, self._highest = lowest, highest
        return [*actions, Listening(now, lowest, highest)]

    def lead(self, now: float, lead: Lead) -> list[Action]:
        """Send the clock on a grid, or no more. It passes by what is heard and played, and is in no replay."""
        if lead.grid is not None and not (_is_whole(lead.grid) and lead.grid.bar > 0):
            return []
        return [Send(0, due, data) for due, data in self._pulse.lead(now, lead.grid, running=lead.running)]

    def wish(self, now: float, wish: Wish) -> list[Action]:
        """Pass on a wish, if it is short enough."""
        now, actions = self._reach(now)
        if max(len(wish.name), len(wish.value)) > LONGEST_WISH:
            return actions
        return [*actions, Wished(now, wish.name, wish.value)]

    def port_lost(self, at: float, port: str) -> list[Action]:
        """Release what the human held on `port`, as note-offs and pedal lifts heard at `at`."""
        at, actions = self._reach(at)
        events: list[Event] = [NoteOff(pitch, channel) for channel, pitch in self._held.get(port, {})]
        events += [ControlChange(pedal, 0, channel) for channel, pedal in self._pedals.get(port, {})]
        for event in events:
            actions += self._hear(at, port, event, encode(event))
        self._held.pop(port, None)
        self._pedals.pop(port, None)
        self._echoes.lose(port)
        return actions

    def output_lost(self, now: float) -> list[Action]:
        """Drop what waits, the MIDI output being gone, and keep what is owed until it is back."""
        now, actions = self._reach(now)
        self._owed += [send.data for send in self._schedule.release(now)]
        self._turn, self._is_open, self._is_lost = None, False, True
        return [*actions, Silenced(now, Silencing.OUTPUT_LOST)]

    def output_back(self, now: float) -> list[Action]:
        """Send what is owed, then our set-up: the MIDI output is there (again), or has a new listener."""
        now, actions = self._reach(now)
        self._is_open, self._is_lost = True, False
        return actions + self._emit([*self._settle(now), *(Send(0, now, data) for data in self._set_up())])

    def panic(self, now: float) -> list[Action]:
        """End everything that sounds, then silence all channels that we have used. To be paced."""
        now, actions = self._reach(now)
        self._turn = None
        sends = [*self._settle(now), *self._schedule.release(now)]
        for channel in sorted(self._channels):
            silence: list[Event] = [ControlChange(pedal, 0, channel) for pedal in PEDALS]
            silence.append(PitchBend(0, channel))
            silence += [ControlChange(c, 0, channel) for c in (ALL_NOTES_OFF, ALL_SOUND_OFF, RESET_CONTROLLERS)]
            sends += [Send(0, now, encode(event)) for event in silence]
        return [*actions, Silenced(now, Silencing.PANIC), *self._emit(sends)]

    def _reach(self, at: float) -> tuple[float, list[Action]]:
        """Do what is due before something stamped `at`; nothing happens before what has happened."""
        at = max(at, self._floor)
        actions = self._pop_until(at)
        self._floor = at
        return at, actions

    def _pop_until(self, now: float) -> list[Action]:
        actions: list[Action] = []
        while self._ghosts and self._ghosts[0][0] <= now:
            due, seq, port, key = self._ghosts.popleft()
            actions += self._pop(due)
            if self._held.get(port, {}).get(key) == seq:
                self._floor = max(self._floor, due)
                actions += self._yield(due, seq)
        return actions + self._pop(now)

    def _pop(self, now: float) -> list[Action]:
        return self._emit(self._schedule.pop_due(now), now)

    def _settle(self, now: float) -> list[Send]:
        """Return what is owed, once there is somebody to send it to."""
        if not self._is_open:
            return []
        owed, self._owed = self._owed, []
        return [Send(0, now, data) for data in owed]

    def _emit(self, sends: list[Send], now: float = -inf) -> list[Action]:
        for send in sends:
            self._floor = max(self._floor, send.due)
            kind = send.data[0] & 0xF0
            if self._turn is not None and send.turn == self._turn.number and kind == 0x90:
                self._turn.began = True
            self._channels.add(send.data[0] & 0x0F)
            self._echoes.expect(max(send.due, now), send.data)
        self._echoes.forget(self._floor)
        return list(sends)

    def _listens_to(self, event: Event) -> bool:
        if self._policy.input_channel is None or isinstance(event, Realtime | SongPosition):
            return True
        return event.channel == self._policy.input_channel or self._steers(event)

    def _steers(self, event: Event) -> bool:
        """Say whether an event is for the controls alone: on their channel, and that is not the player's."""
        match event:
            case ControlChange(control, _, channel):
                is_one = control < ALL_SOUND_OFF
            case ProgramChange(_, channel):
                is_one = True
            case _:
                return False
        return is_one and self._policy.input_channel not in {None, channel} and channel == self._policy.control_channel

    def _hear(self, at: float, port: str, event: Event, data: bytes) -> list[Action]:
        self._seq += 1
        heard = Heard(self._seq, at, port, data)
        if data[0] != CLOCK:
            self._backlog.append(heard)
        actions: list[Action] = [heard]
        is_music = not isinstance(event, Realtime | SongPosition) and not self._steers(event)
        if self._policy.thru and not self._is_lost and is_music:
            actions += self._emit(self._schedule.thru(at, data))
        match event:
            case NoteOn(pitch, velocity, channel):
                self._held.setdefault(port, {})[channel, pitch] = self._seq
                if not self._lowest <= pitch <= self._highest:
                    pass
                elif velocity >= self._policy.ghost_velocity:
                    actions += self._yield(at, self._seq)
                else:
                    self._ghosts.append((at + self._policy.ghost, self._seq, port, (channel, pitch)))
            case NoteOff(pitch, channel):
                self._held.get(port, {}).pop((channel, pitch), None)
            case ControlChange(control, value, channel) if control in PEDALS:
                pedals = self._pedals.setdefault(port, {})
                pedals.pop((channel, control), None)
                if value >= _PEDAL_DOWN:
                    pedals[channel, control] = None
            case ControlChange(control) if control in {ALL_SOUND_OFF, ALL_NOTES_OFF}:
                self._held.pop(port, None)
                actions += self._yield(at, self._seq, now=True)
                actions += self._emit(self._schedule.release(at))
        return actions

    def _yield(self, at: float, seq: int, *, now: bool = False) -> list[Action]:
        """Give way to human event `seq`, from `at` on; `now`: at once, whether the turn yields or not."""
        self._yielded = seq
        turn = self._turn
        if turn is None or not (turn.yields or now):
            return []
        if not self._schedule.busy(turn.number):
            self._turn = None  # between the notes of a stream: it is not to go on
            return []
        return [Yielded(turn.number, seq, at), *self._cut(at, 0.0 if now else self._policy.fade)]

    def _cut(self, at: float, fade: float) -> list[Action]:
        self._turn = None
        self._schedule.cut(at, fade)
        return self._pop(at)

    def _on_our_channel(self, events: Iterable[TimedBytes]) -> Iterable[TimedBytes]:
        """Yield what a plan may send, when it is to leave."""
        for due, data in events:
            event = decode(data)
            if event is not None and not isinstance(event, Realtime | SongPosition):
                plain = encode(event)
                yield due - self._policy.offset, bytes((plain[0] & 0xF0 | self._policy.output_channel, *plain[1:]))

    def _set_up(self) -> list[bytes]:
        policy = self._policy
        events: list[Event] = []
        if policy.bank is not None:
            events.append(ControlChange(_BANK, policy.bank >> 7, policy.output_channel))
            events.append(ControlChange(_BANK_LOW, policy.bank & 0x7F, policy.output_channel))
        if policy.program is not None:
            events.append(ProgramChange(policy.program, policy.output_channel))
        return [encode(event) for event in events]


def _is_whole(grid: Grid) -> bool:
    return isfinite(grid.at) and isfinite(grid.beat) and isfinite(grid.period) and grid.period > 0
