"""The surface: what a player's knobs, switches, buttons and pedals ask for.

An absolute knob does not jump: after a change from elsewhere it takes effect only once it has come near the present
value, or passed it (pick-up). Pure: time is an argument, and the caller keeps `Controls`.
"""

from collections.abc import Collection
from dataclasses import dataclass

from improv.control.bindings import PEDALS, RESERVED, Binding, Bindings, configured, rebound, together
from improv.control.table import DOWN, Entry, Value, table
from improv.control.values import entry, within
from improv.events import RESET_CONTROLLERS, ControlChange, Event, ProgramChange
from improv.settings import Controls, Midi, Pedals

# Seconds after which MIDI learn gives up waiting.
LEARN_S = 30.0
# A knob at most so many positions from the present value takes effect.
NEAR = 3
# A knob that rests may flicker by one position; one that does not move anything yet has to move by more.
_STEADY = 2


@dataclass(frozen=True, slots=True)
class Set:
    """A control gets this value, which is of its type and within what the other controls allow."""

    name: str
    value: Value


@dataclass(frozen=True, slots=True)
class Act:
    """An action is asked for."""

    action: str


@dataclass(frozen=True, slots=True)
class Hold:
    """While `down` it is the player's turn, even in silence."""

    down: bool


@dataclass(frozen=True, slots=True)
class Recall:
    """The preset of this program (1-128) is asked for."""

    program: int


@dataclass(frozen=True, slots=True)
class Unknown:
    """There is no preset of this program (1-128). Told once for each."""

    program: int


@dataclass(frozen=True, slots=True)
class Learned:
    """The control or action `name` is from now on moved by this controller, on this channel (0-15)."""

    name: str
    control: int
    channel: int


Request = Set | Act | Hold | Recall | Unknown | Learned


@dataclass(slots=True)
class _Knob:
    """One physical controller. `anchor`: where it last counted as moved to; `holds`: the value that it has set."""

    last: int
    anchor: int | None = None
    direction: int = 0
    holds: tuple[Value] | None = None


_Place = tuple[str, int, int]  # port, channel, control


class Surface:
    """Feed it what comes in; it says what that asks for.

    `programs`: those that presets have (1-128). `learned`: bindings learned before. `styles`: those of the model.
    """

    def __init__(
        self,
        midi: Midi | None = None,
        pedals: Pedals | None = None,
        programs: Collection[int] = (),
        styles: tuple[str, ...] = (),
        learned: Bindings | None = None,
    ) -> None:
        self._rows = table(styles)
        self._learned = {name: binding for name, binding in (learned or {}).items() if name in self._rows}
        self._knobs: dict[_Place, _Knob] = {}
        self._held: set[_Place] = set()
        self._learning: tuple[str, float] | None = None
        self._presses: dict[_Place, int] = {}
        self._unknown: set[int] = set()
        self._pedals: dict[int, str] = {}
        self.configure(midi or Midi(), pedals or Pedals(), programs)

    def configure(self, midi: Midi, pedals: Pedals, programs: Collection[int]) -> Hold | None:
        """Take over another configuration; what was learned stays on top, and knobs stay where they are.

        A pedal that is down counts as let up, which is returned if it held the turn.
        """
        let_go = self.release_all()
        self._channel = None if midi.channel is None else midi.channel - 1
        self._jumps = midi.takeover == "jump"
        self._base = configured(midi)
        self._pedals = {control: getattr(pedals, name) for control, name in PEDALS.items()}
        self._programs = frozenset(programs)
        self._bind()
        return let_go

    @property
    def learned(self) -> dict[str, Binding]:
        """The bindings that were learned: what is to be kept for the next time."""
        return dict(self._learned)

    @property
    def bindings(self) -> dict[str, Binding]:
        """All bindings that hold."""
        return together(self._base, self._learned)

    @property
    def learning(self) -> str | None:
        """The control that waits for a controller to be moved."""
        return self._learning[0] if self._learning else None

    def learn(self, name: str | None, at: float) -> None:
        """Bind the control or action `name` to the next controller that moves; None: to none, after all.

        `at`: seconds. Raises UsageError if there is none of that name.
        """
        self._presses.clear()
        self._learning = None if name is None else (entry(name).name, at)

    def is_control(self, event: Event) -> bool:
        """Whether this event steers, and is no music. Ask after it was fed. A pedal that holds the turn is both."""
        match event:
            case ControlChange(control, _, channel):
                return self._owner(control, channel) is not None or self._pedals.get(control) == "take_over"
            case ProgramChange(_, channel):
                return bool(self._programs) and self._channel in {None, channel}
        return False

    def feed(self, at: float, port: str, event: Event, controls: Controls) -> Request | None:
        """Return what one event, stamped `at` (seconds), asks for: one thing at the most.

        `controls` are as they are wanted by now: changes that wait for the next bar are in it.
        """
        match event:
            case ProgramChange(program, channel) if self._programs and self._channel in {None, channel}:
                return self._recall(program + 1)
            case ControlChange(control, position, channel) if control == RESET_CONTROLLERS:
                return self._let_go({place for place in self._held if place[:2] == (port, channel)})
            case ControlChange(control, position, channel):
                place = (port, channel, control)
                if learned := self._learn(at, place, position):
                    return learned
                if name := self._owner(control, channel):
                    return self._move(place, self._rows[name], position, controls)
                if self._pedals.get(control, "none") != "none":
                    return self._pedal(place, position)
                self._knob(place, position).last = position
        return None

    def release_all(self, port: str | None = None) -> Hold | None:
        """Let pedals up that nobody will: those of a port that has gone, or (None) of all."""
        return self._let_go({place for place in self._held if port in {None, place[0]}})

    def _bind(self) -> None:
        self._owners: dict[int, list[tuple[str, int | None]]] = {}
        for name, binding in self.bindings.items():
            self._owners.setdefault(binding.control, []).append((name, binding.channel))

    def _owner(self, control: int, channel: int) -> str | None:
        owners = self._owners.get(control, ())
        return next((name for name, theirs in owners if theirs is None or theirs == channel), None)

    def _knob(self, place: _Place, position: int) -> _Knob:
        return self._knobs.setdefault(place, _Knob(position))

    def _recall(self, program: int) -> Recall | Unknown | None:
        if program in self._programs:
            return Recall(program)
        if program in self._unknown:
            return None
        self._unknown.add(program)
        return Unknown(program)

    def _learn(self, at: float, place: _Place, position: int) -> Learned | None:
        """Bind the controller at `place` to what is to be learned, if it was moved on purpose."""
        if self._learning is None:
            return None
        name, since = self._learning
        _, channel, control = place
        if at - since > LEARN_S:
            self._learning = None
            return None
        if control in RESERVED or self._channel not in {None, channel}:
            return None
        before = self._knobs.get(place)
        if before is not None and abs(position - before.last) < _STEADY:
            return None
        if control in PEDALS:  # they are played all the time: one is meant that is pressed twice
            rises = position >= DOWN and (before is None or before.last < DOWN)
            self._presses[place] = self._presses.get(place, 0) + rises
            self._knob(place, position).last = position
            if self._presses[place] < 2:
                return None
        self._learning = None
        binding = Binding(control, channel)
        self._learned = rebound(self._learned, name, binding)
        self._bind()
        self._knobs[place] = _Knob(position, anchor=position)
        return Learned(name, control, channel)

    def _move(self, place: _Place, row: Entry, position: int, controls: Controls) -> Set | Act | None:
        knob = self._knob(place, position)
        before, knob.last = knob.last, position
        if row.kind == "action":
            return self._press(knob, row, position, repeated=position == before)
        present: Value = getattr(controls, row.name)
        taken = self._flip(knob, position) if row.kind == "switch" else self._turn(knob, row, position, present)
        if not taken:
            return None
        value = within(controls, row.name, row.from_cc(position))
        knob.holds = (value,)
        return Set(row.name, value) if value != present else None

    def _press(self, knob: _Knob, row: Entry, position: int, *, repeated: bool) -> Act | None:
        """Act when a button goes down; one that sends no release sends the same again."""
        anchor = knob.anchor
        if anchor is not None and not repeated and abs(position - anchor) < _STEADY:
            return None
        knob.anchor = position
        pressed = position >= DOWN and (anchor is None or anchor < DOWN or repeated)
        return Act(row.name) if pressed else None

    def _flip(self, knob: _Knob, position: int) -> bool:
        anchor = knob.anchor
        if anchor is not None and abs(position - anchor) < _STEADY:
            return False
        knob.anchor = position
        return anchor is None or (anchor < DOWN) != (position < DOWN)

    def _turn(self, knob: _Knob, row: Entry, position: int, present: Value) -> bool:
        """Whether a knob at `position` takes effect: it holds the present value, comes near it, or passes it."""
        if self._jumps:
            knob.anchor, knob.direction = position, 0
            return True
        anchor, holds = knob.anchor, knob.holds == (present,)
        step = 0 if anchor is None else position - anchor
        goes_on = holds and step * knob.direction > 0
        if anchor is not None and abs(step) < (1 if goes_on else _STEADY):
            return False
        knob.anchor, knob.direction = position, step
        target = row.to_cc(present)
        near = abs(position - target) <= NEAR or row.from_cc(position) == present
        passed = anchor is not None and (anchor - target) * (position - target) <= 0
        return holds or near or passed

    def _pedal(self, place: _Place, position: int) -> Act | Hold | None:
        is_down, was_down = position >= DOWN, place in self._held
        if is_down == was_down:
            return None
        if not is_down:
            return self._let_go({place})
        was_held = self._is_held()
        self._held.add(place)
        if self._pedals[place[2]] == "take_over":
            return Act("take_over")
        return None if was_held else Hold(down=True)

    def _let_go(self, places: set[_Place]) -> Hold | None:
        was_held = self._is_held()
        self._held -= places
        return Hold(down=False) if was_held and not self._is_held() else None

    def _is_held(self) -> bool:
        return any(self._pedals[control] == "hold" for _, _, control in self._held)
