"""Where the human's phrase ends: a silence that is long for this player."""

from collections import deque
from dataclasses import dataclass
from math import inf

from improv.listen.patience import Patience
from improv.listen.tracker import Change, Onset, Release

# Onsets closer than this are one chord (and no evidence of the player's pace).
CHORD_S = 0.04
# Who goes on so soon after we have taken over had not ended: that silence was within a phrase.
TALKED_OVER_S = 0.5
# A phrase may go on for an hour; the answer looks back on this many of its notes.
_VELOCITIES_KEPT = 256


@dataclass(frozen=True, slots=True)
class Call:
    """A phrase of the human: `notes` of them, from `start` (first onset) to `end` (last release or onset), in seconds.

    `velocities` are those of its last notes.
    """

    number: int
    start: float
    end: float
    notes: int
    velocities: tuple[int, ...]

    @property
    def length(self) -> float:
        """Seconds from the first onset to the end."""
        return self.end - self.start

    @property
    def mean_velocity(self) -> float:
        """Mean of its notes' velocities, 1-127."""
        return sum(self.velocities) / len(self.velocities)


@dataclass(frozen=True, slots=True)
class Silence:
    """How long a silence ends a phrase, in seconds. `fixed` overrides the adaptive threshold."""

    shortest: float = 0.4
    longest: float = 1.5
    fixed: float | None = None
    drone: float = 4.0


class PhraseListener:
    """Follow the phrase under way and know when it will have ended, unless something more is played.

    The threshold adapts to the player (`patience`); it changes with a note's onset or release only.
    """

    def __init__(self, silence: Silence) -> None:
        self._silence = silence
        self.patience = Patience()
        self._held: set[int] = set()
        self._number = 0
        self._start = 0.0
        self._last_onset = -inf
        self._last_release = -inf
        self._velocities: deque[int] = deque(maxlen=_VELOCITIES_KEPT)
        self._notes = 0
        self._ended_at: float | None = None
        self._is_kept_open = self._foot_is_down = False
        self._open_until = -inf

    @property
    def threshold(self) -> float:
        """Seconds of silence that end a phrase of this player now."""
        if self._silence.fixed is not None:
            return self._silence.fixed
        wanted = self.patience.threshold(max(0.0, self._last_release - self._last_onset))
        return min(max(wanted, self._silence.shortest), self._silence.longest)

    @property
    def deadline(self) -> float | None:
        """When the phrase ends (seconds) if nothing more is played; None before the first note.

        With a key held it is the drone limit after the last onset: lost note-offs must not silence us for ever.
        """
        if not self._velocities:
            return None
        if self._is_kept_open:
            return inf
        if self._ended_at is not None:
            return self._ended_at
        if self._held:
            return max(self._last_onset + self._silence.drone, self._open_until)
        return max(self._last_release + self.threshold, self._open_until)

    @property
    def call(self) -> Call | None:
        """The phrase so far; None before the first note."""
        if not self._velocities:
            return None
        deadline = self.deadline
        end = max(self._last_release, self._last_onset)
        if self._held and deadline is not None and deadline < inf:
            end = deadline
        return Call(self._number, self._start, end, self._notes, tuple(self._velocities))

    def feed(self, change: Change) -> None:
        """Take in an onset or a release. An onset at or after the deadline begins a new phrase."""
        match change:
            case Onset():
                deadline = self.deadline
                if deadline is None or change.at >= deadline:
                    if deadline is not None and self._ended_at is None and change.at - deadline < TALKED_OVER_S:
                        self._learn(change.at)
                    self._begin(change.at)
                else:
                    self._learn(change.at)
                self._held.add(change.number)
                self._velocities.append(change.velocity)
                self._notes += 1
                self._last_onset = max(self._last_onset, change.at)
            case Release(number, at) if number in self._held:
                deadline = self.deadline
                self._held.discard(number)
                if deadline is not None and at >= deadline:
                    # The phrase ended while this key was held: letting go of it does not open it again.
                    self._ended_at = deadline
                else:
                    self._last_release = at

    def end(self, at: float) -> None:
        """End the phrase at `at` (seconds): the player said so with a pedal or a controller."""
        if self._velocities and (self.deadline or inf) > at:
            self._ended_at = at

    def keep_open(self, at: float, *, is_open: bool) -> None:
        """Hold the phrase open from `at` (seconds) on whatever the silence, or let it end again: a pedal says so."""
        self._foot_is_down = is_open
        if self._is_kept_open and not is_open:
            self._open_until = at
        elif is_open and self.deadline is not None and self.deadline <= at:
            return  # it is over
        self._is_kept_open = is_open

    def _learn(self, onset: float) -> None:
        """Take the step to `onset` (seconds) for one within a phrase, if it is no chord's."""
        if onset - self._last_onset >= CHORD_S:
            self.patience.feed(onset - self._last_onset, 0.0 if self._held else onset - self._last_release)

    def _begin(self, at: float) -> None:
        self._number += 1
        self._start, self._last_onset = at, at
        self._velocities.clear()
        self._notes = 0
        self._ended_at = None
        self._is_kept_open = self._foot_is_down
        # What is still held is a drone or a lost note-off: it must not hold up this phrase too.
        self._held.clear()
