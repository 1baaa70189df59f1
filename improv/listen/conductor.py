"""The conductor: of all that could give the beat, which does, and where it lies."""

from dataclasses import replace
from math import inf
from typing import Literal

from improv.beat import Grid
from improv.events import Event, Realtime, SongPosition
from improv.listen.midi_clock import ClockFollower
from improv.listen.tap import TapTempo
from improv.listen.tempo import TempoListener
from improv.settings import Controls

Source = Literal["clock", "internal", "playing", "free"]

# A beat that moves by less than this (seconds) over the next bar has not moved: nobody need be told.
STILL_S = 0.0003
# Whether the clock or the player has stopped is looked at this often (seconds), where there is a beat of theirs.
_LOOK_S = 0.5


class Conductor:
    """Hears MIDI clock, taps and the player's onsets, and says where the beat is: `grid`.

    The source is that of the controls. `auto`: MIDI clock while it runs, else a tapped tempo, else the player's own
    where that is steady, else none: time is free. Pure: every moment is an argument, in seconds.
    """

    def __init__(self, controls: Controls) -> None:
        self._controls = controls
        self._clock = ClockFollower()
        self._taps = TapTempo()
        self._player = TempoListener(controls.beats_per_bar)
        self._own: Grid | None = None  # the internal beat, once something has fixed its phase
        self._is_tapped = False
        self._given: Grid | None = None
        self.source: Source = "free"

    def set(self, controls: Controls, at: float) -> None:
        """Take over other controls: where the beat comes from, the internal tempo, the length of a bar."""
        before, self._controls = self._controls, controls
        if controls.tempo != before.tempo:
            self._is_tapped = False
        if self._own is not None and controls.bpm != before.bpm:
            self._own = Grid(at, self._own.beat_at(at), 60 / controls.bpm, controls.beats_per_bar)

    def feed(self, at: float, port: str, event: Event) -> None:
        """Hear what a sequencer sends; other events say nothing of the beat."""
        if isinstance(event, Realtime | SongPosition):
            self._clock.feed(at, port, event)

    def onset(self, at: float) -> None:
        """Hear the player begin a note."""
        self._player.onset(at)
        if self._own is None and self._controls.tempo == "internal":
            self._own = Grid(at, 0.0, 60 / self._controls.bpm, self._controls.beats_per_bar)

    def tap(self, at: float) -> float | None:
        """Hear a tap; return the tempo tapped (bpm), if there is one by now. It becomes the internal one."""
        self._taps.tap(at)
        if self._taps.period is None or self._taps.last is None:
            return None
        beat = 0.0 if self._own is None else round(self._own.beat_at(self._taps.last))
        self._own = Grid(self._taps.last, beat, self._taps.period, self._controls.beats_per_bar)
        self._is_tapped = True
        return self._own.bpm

    def resume(self, grid: Grid) -> None:
        """Go on with a beat that was there: it is the internal one now, as if it had been tapped."""
        self._own, self._is_tapped = grid, True

    def forget(self) -> None:
        """Let the internal beat be: nothing fixes its phase any more."""
        self._own, self._is_tapped = None, False

    def grid(self, now: float) -> Grid | None:
        """Return the beat as it is known at `now`, None: there is none. One that has hardly moved is the same."""
        self.source, grid = self._chosen(now)
        if grid is not None:
            grid = replace(grid, bar=self._controls.beats_per_bar)
        if grid is None or self._given is None or _has_moved(self._given, grid, now):
            self._given = grid
        return self._given

    def wake_at(self, now: float) -> float:
        """Return when to look again even if nothing is heard; `inf`: never."""
        return now + _LOOK_S if self.source in {"clock", "playing"} else inf

    def _chosen(self, now: float) -> tuple[Source, Grid | None]:
        wanted = self._controls.tempo
        if wanted in {"auto", "clock"} and (grid := self._clock.grid(now)) is not None:
            return "clock", grid
        if self._own is not None and (wanted == "internal" or (wanted == "auto" and self._is_tapped)):
            return "internal", self._own
        if wanted in {"auto", "playing"} and (grid := self._player.grid(now)) is not None:
            return "playing", grid
        return "free", None


def _has_moved(before: Grid, after: Grid, now: float) -> bool:
    moments = (now, now + after.bar * after.period)
    return before.bar != after.bar or any(abs(before.time_at(after.beat_at(at)) - at) > STILL_S for at in moments)
