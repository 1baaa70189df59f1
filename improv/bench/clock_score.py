"""What a sequencer and a player of a measurement play, and where its beats truly fall. Pure: seconds from the start."""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import floor

import numpy as np
from numpy.typing import NDArray

from improv.events import CLOCK, CONTINUE, START, STOP, NoteOff, NoteOn, Realtime, SongPosition, encode
from improv.listen.midi_clock import TICKS

# Transport comes a little before its tick (seconds), as sequencers send it.
_BEFORE_S = 0.004
_FINE_S = 0.001
_SIXTEENTHS = 4
_VELOCITY = 80
# Of the lines that onsets are drawn to: sixteenths, and triplet eighths.
_LINES = (4, 3)
# A place this near a line (beats) was drawn to it.
_ON_LINE = 0.002

Times = NDArray[np.float64]
Timed = tuple[float, bytes]
Tempo = Callable[[Times], Times]
"""Beats a minute at moments (seconds) of a stretch."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Beats that follow each other: `ticks` are the moments of 24 a beat, the first of which lies on beat `first`."""

    ticks: Times
    first: float

    @classmethod
    def of(cls, begin: float, seconds: float, tempo: Tempo, first: float = 0.0) -> "Stretch":
        """Return a stretch of `seconds` from `begin` on, in a tempo that is a function of the seconds in it."""
        fine = np.arange(0.0, seconds + 1.0, _FINE_S)
        rate = tempo(fine) / 60
        beats = np.concatenate([[0.0], np.cumsum((rate[1:] + rate[:-1]) / 2 * _FINE_S)])
        last = round(float(np.interp(seconds, fine, beats)) * TICKS)
        return cls(begin + np.interp(np.arange(last + 1) / TICKS, beats, fine), first)

    def time_at(self, beat: float) -> float:
        """Return when a beat falls; before and after the stretch as if it went on."""
        place = (beat - self.first) * TICKS
        before = min(max(floor(place), 0), len(self.ticks) - 2)
        return float(self.ticks[before] + (place - before) * (self.ticks[before + 1] - self.ticks[before]))

    def beat_at(self, at: float) -> float:
        """Return the place in beats of a moment. The inverse of `time_at`."""
        before = min(max(int(np.searchsorted(self.ticks, at, "right")) - 1, 0), len(self.ticks) - 2)
        begin, end = self.ticks[before], self.ticks[before + 1]
        return self.first + float(before + (at - begin) / (end - begin)) / TICKS


@dataclass(frozen=True, slots=True)
class Song:
    """Stretches, each with a place of its own to begin at; the player's notes (seconds, pitch, length); its end."""

    stretches: tuple[Stretch, ...]
    notes: tuple[tuple[float, int, float], ...]
    end: float

    def stretch(self, at: float) -> Stretch:
        """Return the stretch that a moment lies in, with the time before its first tick."""
        begun = [stretch for stretch in self.stretches if stretch.ticks[0] - _BEFORE_S <= at]
        return begun[-1] if begun else self.stretches[0]

    def clock(self, jitter: float, dice: random.Random) -> Iterator[Timed]:
        """Yield the clock's messages in order, each tick moved by a normal `jitter` (sd, seconds)."""
        for number, stretch in enumerate(self.stretches):
            before = stretch.ticks[0] - _BEFORE_S
            if number:
                yield before, encode(Realtime(STOP))
                yield before, encode(SongPosition(round(stretch.first * _SIXTEENTHS)))
            yield before, encode(Realtime(CONTINUE if number else START))
            last = before
            for tick in stretch.ticks:
                last = max(last, float(tick) + dice.gauss(0.0, jitter))
                yield last, encode(Realtime(CLOCK))

    def playing(self) -> Iterator[Timed]:
        """Yield the player's messages."""
        for at, pitch, length in self.notes:
            yield at, encode(NoteOn(pitch, _VELOCITY))
            yield at + length, encode(NoteOff(pitch))


def steady(bpm: float) -> Tempo:
    """Return a tempo that stays."""
    return lambda at: np.full_like(at, bpm)


def ramp(first: float, last: float, begin: float, seconds: float) -> Tempo:
    """Return a tempo that goes evenly from `first` to `last` in `seconds` from `begin` on."""
    return lambda at: np.interp(at, [begin, begin + seconds], [first, last])


def jumps(bpms: Sequence[float], every: float) -> Tempo:
    """Return a tempo that is each of `bpms` for `every` seconds, the last for good."""
    return lambda at: np.array(bpms)[np.minimum((at / every).astype(int), len(bpms) - 1)].astype(float)


def line_of(place: float) -> float | None:
    """Return the line (beats), a sixteenth or a triplet eighth, that a note was drawn to; None: it was to none."""
    nearest = min((round(place * each) / each for each in _LINES), key=lambda line: abs(place - line))
    return nearest if abs(place - nearest) <= _ON_LINE else None


def recovery(jump: float, wrong: Sequence[tuple[float, float]], limit: float) -> float:
    """Return how many beats after `jump` (beats) the last of the errors (place in beats, size) is above `limit`."""
    return max((place - jump for place, error in wrong if place >= jump and abs(error) > limit), default=0.0)
