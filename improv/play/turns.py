"""Call and response: how long an answer is, and where it is placed in time."""

from dataclasses import dataclass

from improv.events import Note, NoteOff, NoteOn, encode
from improv.listen.phrase import Call

# A plan needs this long to reach the ports process and be sorted in.
LEAD_S = 0.02
# An answer that would come later than this after its moment is not given: the moment is gone.
STALE_S = 1.5


@dataclass(frozen=True, slots=True)
class AnswerLimits:
    """Bounds of an answer's length, in seconds."""

    shortest: float = 1.0
    longest: float = 8.0

    def length(self, call: Call) -> float:
        """Return the length an answer to `call` aims at, in seconds: the call's own, within the bounds."""
        return min(max(call.length, self.shortest), self.longest)


@dataclass(frozen=True, slots=True)
class Answer:
    """Notes of an answer; onsets in seconds from its first moment. `revision` names the window it answers."""

    revision: int
    number: int
    notes: tuple[Note, ...]

    @property
    def length(self) -> float:
        """Seconds from its first moment to its last note's end."""
        return max((note.onset + note.duration for note in self.notes), default=0.0)


def lateness(deadline: float, now: float) -> float | None:
    """Return by how many seconds an answer due at `deadline` must be moved if it is ready at `now`; None if too late.

    A late answer moves as a whole: its notes are never bunched.
    """
    shift = max(0.0, now + LEAD_S - deadline)
    return shift if shift <= STALE_S else None


def timed(answer: Answer, start: float, channel: int) -> tuple[tuple[float, bytes], ...]:
    """Return the answer as (due, MIDI message) from `start` (seconds) on `channel` (0-15), offs before ons."""
    events = []
    for note in answer.notes:
        onset = start + note.onset
        events.append((onset, 1, encode(NoteOn(note.pitch, note.velocity, channel))))
        events.append((onset + note.duration, 0, encode(NoteOff(note.pitch, channel))))
    return tuple((due, data) for due, _, data in sorted(events))
