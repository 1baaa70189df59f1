"""Call and response: how long an answer is, and where it is placed in time."""

from collections.abc import Iterable
from dataclasses import dataclass

from improv.events import Note, NoteOff, NoteOn, decode, encode
from improv.listen.phrase import Call

_HIGHEST = 127
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
    """Notes of an answer; onsets in seconds from its first moment.

    `revision` names what was known when it was written, `number` the occasion for which it was.
    """

    revision: int
    number: int
    notes: tuple[Note, ...]

    @property
    def length(self) -> float:
        """Seconds from its first moment to its last note's end."""
        return max((note.onset + note.duration for note in self.notes), default=0.0)


@dataclass(frozen=True, slots=True)
class Voice:
    """How notes sound in the end: on `channel` (0-15), `transpose` semitones higher, `level` times as loud."""

    channel: int = 0
    transpose: int = 0
    level: float = 1.0

    def note_on(self, note: Note) -> NoteOn:
        """Return the note-on of `note`; what would leave the keyboard stays on it, an octave off."""
        pitch = note.pitch + self.transpose
        pitch += (pitch < 0) * -(pitch // 12) * 12 - (pitch > _HIGHEST) * ((pitch - _HIGHEST + 11) // 12) * 12
        return NoteOn(pitch, min(max(round(note.velocity * self.level), 1), 127), self.channel)


def timed(answer: Answer, start: float, voice: Voice) -> tuple[tuple[float, bytes], ...]:
    """Return the answer as (due, MIDI message) from `start` (seconds), offs before ons. Nothing at level 0."""
    events = []
    for note in answer.notes if voice.level > 0 else ():
        on, onset = voice.note_on(note), start + note.onset
        events.append((onset, 1, encode(on)))
        events.append((onset + note.duration, 0, encode(NoteOff(on.pitch, on.channel))))
    return tuple((due, data) for due, _, data in sorted(events))


def notes_of(events: Iterable[tuple[float, bytes]], start: float) -> tuple[Note, ...]:
    """Return the notes in what `timed` made, as they sound: onsets in seconds from `start`."""
    notes: list[Note] = []
    sounding: dict[int, tuple[float, int]] = {}
    for due, data in events:
        match decode(data):
            case NoteOn(pitch, velocity):
                sounding[pitch] = (due, velocity)
            case NoteOff(pitch) if pitch in sounding:
                onset, velocity = sounding.pop(pitch)
                notes.append(Note(pitch, velocity, onset - start, due - onset))
    return tuple(sorted(notes, key=lambda note: note.onset))
