"""MIDI clock out: 24 ticks a beat on a grid, start, stop and song position.

Pure: times are arguments, float seconds of the session clock. Start means that the next tick is the first of a bar
(MIDI 1.0), so it is sent after the tick before that. Ticks go on while stopped: followers keep their tempo.
"""

from math import ceil, inf

from improv.beat import Grid
from improv.events import CLOCK, CONTINUE, START, STOP, Realtime, SongPosition, encode

TICKS_A_BEAT = 24
SIXTEENTH = 6  # ticks: what a song position counts
POSITIONS = 1 << 14
# Ticks that a late or moved pulse makes up for, at twice the tempo at the most. Further off it is put in its place.
CATCH_UP = SIXTEENTH

_TOUCH = 1e-4  # a moment this little after a tick (ticks) is on it: rounding must not cost a tick

Timed = tuple[float, bytes]


class Pulse:
    """When which message of the clock is due. Never two ticks closer than half a tick, never a heap of late ones.

    Followers count ticks. So none is left out where the grid moves a little, or a tick is late a little; where it is
    more, they are stopped, and go on from the next sixteenth by song position.
    """

    def __init__(self) -> None:
        self._grid: Grid | None = None
        self._next = 0  # the number of the next tick: tick 0 falls on beat 0
        self._last = -inf  # when the last tick left
        self._is_running = False  # as we were told
        self._awaited: int | None = None  # what is to be sent before followers run: START or CONTINUE

    @property
    def is_leading(self) -> bool:
        """Whether there is a clock of ours."""
        return self._grid is not None

    def next_due(self) -> float:
        """Return when the next tick is due, `inf` if there is no clock."""
        if self._grid is None:
            return inf
        half = self._grid.period / TICKS_A_BEAT / 2
        return max(self._grid.time_at(self._next / TICKS_A_BEAT), self._last + half)

    def lead(self, now: float, grid: Grid | None, *, running: bool) -> list[Timed]:
        """Tick on `grid` from now on, running or stopped; None: no more. Return what is due at once."""
        running = running and grid is not None
        messages: list[Timed] = []
        if self._is_running and not running:
            messages += self._stop(now)
            self._awaited = None
        elif running and not self._is_running:
            self._awaited = START
        self._is_running = running
        if self._grid is None and grid is not None:
            self._next = _tick_at(grid, now)
        self._grid = grid
        return messages + self._place(now) + self._announce(now)

    def pop_due(self, now: float) -> list[Timed]:
        """Return what is due at or before `now`, which must be the time it really is: one tick at the most."""
        if self.next_due() > now:
            return []
        messages = self._place(now)
        due = self.next_due()
        if due <= now:
            messages.append((due, encode(Realtime(CLOCK))))
            self._last = now
            self._next += 1
        return messages + self._announce(now)

    def _place(self, now: float) -> list[Timed]:
        """Go on from where the grid is now, if that is not where the next tick belongs."""
        if self._grid is None or -CATCH_UP - 1 <= self._grid.beat_at(now) * TICKS_A_BEAT - self._next <= CATCH_UP:
            return []
        self._next = _tick_at(self._grid, now)
        messages = self._stop(now)
        if messages:
            self._awaited = CONTINUE
        return messages

    def _stop(self, now: float) -> list[Timed]:
        """Stop the followers, if they run."""
        return [(now, encode(Realtime(STOP)))] if self._is_running and self._awaited is None else []

    def _announce(self, now: float) -> list[Timed]:
        """Have the followers run from the next tick on, if that is one to begin with."""
        if self._grid is None or self._awaited is None:
            return []
        messages: list[Timed] = []
        position, rest = divmod(self._next, SIXTEENTH)
        if self._awaited == CONTINUE and not rest and 0 <= position < POSITIONS:
            messages = [(now, encode(SongPosition(position))), (now, encode(Realtime(CONTINUE)))]
        elif self._next % (TICKS_A_BEAT * self._grid.bar) == 0:  # of a position beyond what MIDI can tell, too
            messages = [(now, encode(Realtime(START)))]
        if messages:
            self._awaited = None
        return messages


def _tick_at(grid: Grid, now: float) -> int:
    """Return the number of the first tick at or after `now`."""
    return ceil(grid.beat_at(now) * TICKS_A_BEAT - _TOUCH)
