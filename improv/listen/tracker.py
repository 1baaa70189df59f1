"""Which notes the human plays: held, sounding, and when each began and ended."""

from collections.abc import Iterator
from dataclasses import dataclass

from improv.events import SUSTAIN, ControlChange, Event, NoteOff, NoteOn

PEDAL_DOWN = 64

Key = tuple[str, int, int]
"""Port, channel (0-15), pitch."""


@dataclass(frozen=True, slots=True)
class Onset:
    """A note began at `at` (seconds). `number` counts onsets and names the note."""

    number: int
    at: float
    pitch: int
    velocity: int


@dataclass(frozen=True, slots=True)
class Release:
    """Note `number` ended at `at` (seconds): its key came up."""

    number: int
    at: float


Change = Onset | Release


@dataclass(slots=True)
class _Held:
    number: int
    at: float
    velocity: int
    counts: bool


class NoteTracker:
    """Turn human events into onsets and releases.

    A ghost note (softer than `ghost_velocity`) is an onset only once it has lasted `ghost_s`; see `settle`.
    """

    def __init__(self, ghost_velocity: int = 0, ghost_s: float = 0.0) -> None:
        self._ghost_velocity = ghost_velocity
        self._ghost_s = ghost_s
        self._held: dict[Key, _Held] = {}
        self._pedals: set[tuple[str, int]] = set()
        self._ringing: set[Key] = set()
        self._onsets = 0

    @property
    def held(self) -> list[int]:
        """Pitches whose keys are down, ghosts left out."""
        return [pitch for (_, _, pitch), note in self._held.items() if note.counts]

    @property
    def sounding(self) -> list[int]:
        """Pitches held by a key or by the sustain pedal."""
        ringing = [pitch for (port, channel, pitch) in self._ringing if (port, channel, pitch) not in self._held]
        return self.held + ringing

    def feed(self, at: float, port: str, event: Event) -> list[Change]:
        """Return what `event`, stamped `at` (seconds), changes: settled ghosts first. Never raises."""
        changes = self.settle(at)
        match event:
            case NoteOn(pitch, velocity, channel):
                changes += self._press((port, channel, pitch), at, velocity)
            case NoteOff(pitch, channel):
                changes += self._lift((port, channel, pitch), at)
            case ControlChange(control, value, channel) if control == SUSTAIN:
                self._pedal((port, channel), down=value >= PEDAL_DOWN)
        return changes

    def settle(self, now: float) -> list[Change]:
        """Return the onsets of soft notes that have been held long enough to count by `now` (seconds)."""
        return list(self._settled(now))

    def release_all(self, at: float) -> list[Change]:
        """End every held note at `at` (seconds): its port is gone."""
        changes = self.settle(at)
        for key in list(self._held):
            changes += self._lift(key, at)
        self._pedals.clear()
        self._ringing.clear()
        return changes

    def _settled(self, now: float) -> Iterator[Change]:
        for (_, _, pitch), note in self._held.items():
            if not note.counts and now >= note.at + self._ghost_s:
                yield self._count(note, pitch)

    def _count(self, note: _Held, pitch: int) -> Onset:
        self._onsets += 1
        note.counts, note.number = True, self._onsets
        return Onset(note.number, note.at, pitch, note.velocity)

    def _press(self, key: Key, at: float, velocity: int) -> list[Change]:
        # Pianos repeat a key before its off arrives: the repeat ends the first.
        changes = self._lift(key, at)
        note = self._held[key] = _Held(0, at, velocity, counts=False)
        if velocity >= self._ghost_velocity or self._ghost_s == 0.0:
            changes.append(self._count(note, key[2]))
        return changes

    def _lift(self, key: Key, at: float) -> list[Change]:
        note = self._held.pop(key, None)
        if note is None:
            return []
        port, channel, _ = key
        if (port, channel) in self._pedals:
            self._ringing.add(key)
        return [Release(note.number, at)] if note.counts else []

    def _pedal(self, place: tuple[str, int], *, down: bool) -> None:
        if down:
            self._pedals.add(place)
            return
        self._pedals.discard(place)
        self._ringing = {key for key in self._ringing if key[:2] != place}
