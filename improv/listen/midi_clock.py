"""MIDI clock: 24 ticks a beat, start, stop, continue, song position, turned into the beat and its tempo."""

from dataclasses import dataclass, field

from improv.beat import Grid
from improv.events import CLOCK, CONTINUE, START, STOP, Event, Realtime, SongPosition
from improv.listen.pulse import Pulse

TICKS = 24
_TICKS_A_SIXTEENTH = 6
# A clock that has not ticked for this long (seconds) gives no beat …
GONE_S = 1.0
# … and one that has not for this long has stopped: nobody can say any more on which beat it would be.
LOST_S = 4.0
# More devices than this do not send clock.
_MOST_PORTS = 16


class ClockFollower:
    """Follow the clock of the port that started first; another one's only when that one has stopped.

    Feed it everything that comes in; times are seconds of the session clock. Never raises.
    """

    def __init__(self) -> None:
        self._clocks: dict[str, _Clock] = {}
        self._leader: str | None = None

    def feed(self, at: float, port: str, event: Event) -> None:
        """Hear one event of `port`, stamped `at` (seconds). Anything but clock and transport is passed over."""
        if not isinstance(event, Realtime | SongPosition):
            return
        clock = self._clocks.get(port)
        if clock is None:
            if len(self._clocks) >= _MOST_PORTS:
                return
            clock = self._clocks[port] = _Clock()
        clock.feed(at, event)
        self._choose(at)

    def running(self, now: float) -> bool:
        """Whether a clock runs: it was started, it was not stopped, and it ticks."""
        return (clock := self._led) is not None and clock.runs(now)

    def grid(self, now: float) -> Grid | None:
        """Return the beat as the clock has it, bars of four beats; None if none runs or its tempo is not known yet."""
        clock = self._led
        return clock.grid() if clock is not None and clock.runs(now) else None

    @property
    def bpm(self) -> float | None:
        """Tempo of the clock that is or was followed, or ticks without having been started; None before it is known."""
        clock = self._led or next((clock for clock in self._clocks.values() if clock.bpm is not None), None)
        return None if clock is None else clock.bpm

    @property
    def gone_at(self) -> float | None:
        """When (seconds) the clock counts as gone unless it ticks again; None if none runs."""
        clock = self._led
        return None if clock is None or not clock.started or clock.last is None else clock.last + GONE_S

    @property
    def _led(self) -> "_Clock | None":
        return None if self._leader is None else self._clocks[self._leader]

    def _choose(self, at: float) -> None:
        led = self._led
        if led is not None and led.runs(at):
            return
        started = {port: clock.since for port, clock in self._clocks.items() if clock.runs(at)}
        if started:
            self._leader = min(started, key=started.__getitem__)


@dataclass(slots=True)
class _Clock:
    """The clock of one port.

    `position`: the song's tick that comes next, until it has come; `offset`: the song's ticks less the pulse's count.
    """

    pulse: Pulse = field(default_factory=lambda: Pulse(TICKS))
    started: bool = False
    since: float = 0.0
    last: float | None = None
    offset: int = 0
    position: int | None = 0

    def feed(self, at: float, event: Realtime | SongPosition) -> None:
        match event:
            case SongPosition(sixteenths):
                self._place(sixteenths * _TICKS_A_SIXTEENTH)
            case Realtime(status) if status == START:
                self._start(at)
                self._place(0)
            case Realtime(status) if status == CONTINUE:
                self._start(at)
            case Realtime(status) if status == STOP:
                if self.started and self.position is None:
                    self.position = self.pulse.next + self.offset
                self.started = False
            case Realtime(status) if status == CLOCK:
                self._tick(at)

    def runs(self, now: float) -> bool:
        return self.started and self.last is not None and now < self.last + GONE_S

    @property
    def bpm(self) -> float | None:
        return None if self.pulse.rate is None else self.pulse.rate * 60 / TICKS

    def grid(self) -> Grid | None:
        grid = self.pulse.grid()
        return None if grid is None else Grid(grid.at, grid.beat + self.offset / TICKS, grid.period)

    def _start(self, at: float) -> None:
        """Go on from `position`. A sequencer that loops does this while it runs."""
        if not self.runs(at):
            self.since = at
        self.started = True
        # Some sequencers tick in another phase after a start.
        self.pulse.realign()
        if self.position is not None:
            self._place(self.position)

    def _place(self, position: int) -> None:
        self.position = position
        if self.started:
            # In advance: should the next tick be lost, `_tick` puts it right.
            self.offset = position - self.pulse.next

    def _tick(self, at: float) -> None:
        if self.last is not None and at - self.last > LOST_S:
            self.pulse.forget()
            self.started = self.started and self.since > self.last
        self.last = at
        count = self.pulse.feed(at)
        if count is not None and self.started and self.position is not None:
            self.offset, self.position = self.position - count, None
