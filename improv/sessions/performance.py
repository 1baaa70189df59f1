"""A recorded human performance, and how it is played to a musician who answers: in calls, with pauses between."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import inf
from pathlib import Path

import mido

from improv.errors import CorpusError
from improv.events import SUSTAIN, ControlChange, Note, NoteOff, NoteOn, encode
from improv.ports.link import TimedBytes

# The one that we bring along; NOTICE names it.
DEMO = Path(__file__).parent.parent / "assets" / "demo.mid"

# A pause is as long as the answer aims to be (as the call, up to the limit), and this much longer: the silence that
# tells the musician that it is its turn, and time for its last notes to end.
PATIENCE_S = 2.5
LONGEST_ANSWER_S = 8.0
_DRUMS = 9
# What mido raises for a file that is none, or a damaged one.
_DAMAGE = (
    EOFError,
    OSError,
    ArithmeticError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
    mido.KeySignatureError,
)
_SHORTEST_NOTE_S = 0.01


@dataclass(frozen=True, slots=True)
class Performance:
    """Notes in order of onset, and moves (at, value) of the sustain pedal. Second 0 is the first note."""

    notes: tuple[Note, ...]
    pedal: tuple[tuple[float, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Cut:
    """Where a performance may be cut: calls of `shortest` to `longest` seconds, and at every silence of `rest`."""

    shortest: float = 3.0
    longest: float = 7.0
    rest: float = 1.5


@dataclass(frozen=True, slots=True)
class Call:
    """A part of a performance. `start` in seconds of it; the notes and `events` from the call's own first onset.

    Everything that begins in `events` ends there: at `length` seconds all keys and the pedal are up.
    """

    start: float
    notes: tuple[Note, ...]
    events: tuple[TimedBytes, ...]

    @property
    def length(self) -> float:
        """Seconds to the last release."""
        return max(note.onset + note.duration for note in self.notes)


def load(path: Path) -> Performance:
    """Return the performance in a MIDI file: all tracks and channels merged, drums left out, silence before it too.

    Raises CorpusError when there is none.
    """
    try:
        file = mido.MidiFile(path, clip=True)
        timed = list(_timed(file))
    except FileNotFoundError as error:
        raise CorpusError(f"{path}: there is no such file") from error
    except _DAMAGE as error:
        raise CorpusError(f"{path}: no MIDI file, or a damaged one ({error or type(error).__name__})") from error
    notes = _notes(timed)
    if not notes:
        raise CorpusError(f"{path}: there are no notes in this MIDI file")
    start = notes[0].onset
    pedal = [(at - start, value) for at, value in _pedal(timed)]
    return Performance(tuple(replace(note, onset=note.onset - start) for note in notes), tuple(pedal))


def calls(performance: Performance, cut: Cut | None = None) -> list[Call]:
    """Return the performance in calls. Each is cut off before the onset with the most room before it, within bounds.

    Notes that ring over a cut end there.
    """
    cut = cut or Cut()
    found, first = [], 0
    while first < len(performance.notes):
        after = _after(performance.notes, first, cut)
        found.append(_call(performance, first, after, cut))
        first = after
    return found


def with_pauses(played: Iterable[Call], seconds: float | None = None) -> tuple[TimedBytes, ...]:
    """Return all events of the calls, each followed by time for an answer as long as itself. Second 0 is the first.

    `seconds`: leave out calls whose answer would end later, but never the first.
    """
    events: list[TimedBytes] = []
    now = 0.0
    for call in played:
        end = now + call.length + min(call.length, LONGEST_ANSWER_S) + PATIENCE_S
        if seconds is not None and events and end > seconds:
            break
        events += [(now + at, data) for at, data in call.events]
        now = end
    return tuple(events)


def _after(notes: Sequence[Note], first: int, cut: Cut) -> int:
    """Return the index of the note before which the call that begins at `first` ends."""
    start, released = notes[first].onset, _end(notes[first])
    best, most_room = 0, 0.0
    for index, (before, note) in enumerate(pairwise(notes[first:]), start=first + 1):
        silence = note.onset - released
        if silence >= cut.rest:
            return index
        if best and note.onset - start > cut.longest:
            return best
        room = note.onset - before.onset + max(0.0, silence)
        if note.onset - start >= cut.shortest and room > most_room:
            best, most_room = index, room
            if note.onset - start > cut.longest:
                return best
        released = max(released, _end(note))
    return best if best and released - start > cut.longest else len(notes)


def _call(performance: Performance, first: int, after: int, cut: Cut) -> Call:
    notes = performance.notes[first:after]
    start = notes[0].onset
    limit = max(start + cut.longest, notes[-1].onset + cut.shortest / 2)
    if after < len(performance.notes):
        limit = min(limit, performance.notes[after].onset)
    ours = tuple(
        Note(note.pitch, note.velocity, note.onset - start, min(_end(note), limit) - note.onset) for note in notes
    )
    end = max(map(_end, ours))
    return Call(start, ours, tuple(_events(ours, _pedal_within(performance.pedal, start, end))))


def _pedal_within(pedal: Iterable[tuple[float, int]], start: float, end: float) -> list[tuple[float, int]]:
    """Return the pedal's moves from `start`, for `end` seconds: it begins where it stood, and comes up at the end."""
    value = 0
    moves: list[tuple[float, int]] = []
    for at, moved in pedal:
        if at >= start + end:
            break
        if at > start and not moves and value:
            moves.append((0.0, value))
        if at > start:
            moves.append((at - start, moved))
        value = moved
    if value and not moves:
        moves.append((0.0, value))
    return [*moves, (end, 0)] if value else moves


def _events(notes: Iterable[Note], pedal: Iterable[tuple[float, int]]) -> list[TimedBytes]:
    """Return notes and pedal as messages: at equal times offs, then the pedal, then ons."""
    ranked = [(at, 1, encode(ControlChange(SUSTAIN, value))) for at, value in pedal]
    for note in notes:
        ranked.append((note.onset, 2, encode(NoteOn(note.pitch, note.velocity))))
        ranked.append((_end(note), 0, encode(NoteOff(note.pitch))))
    return [(at, data) for at, _, data in sorted(ranked)]


def _timed(file: mido.MidiFile) -> Iterator[tuple[float, mido.Message]]:
    """Yield the messages of all channels but the drums', with their time in seconds."""
    now = 0.0
    for message in file:
        now += message.time
        if not message.is_meta and getattr(message, "channel", _DRUMS) != _DRUMS:
            yield now, message


def _notes(timed: Iterable[tuple[float, mido.Message]]) -> list[Note]:
    """Return the notes, in order of onset; one that begins while its pitch sounds already ends the other."""
    sounding: dict[tuple[int, int], tuple[float, int]] = {}
    notes: list[Note] = []

    def end(key: tuple[int, int], at: float) -> None:
        if key in sounding:
            onset, velocity = sounding.pop(key)
            notes.append(Note(key[1], velocity, onset, max(at - onset, _SHORTEST_NOTE_S)))

    at = 0.0
    for at, message in timed:
        if message.type in {"note_on", "note_off"}:
            end((message.channel, message.note), at)
            if message.type == "note_on" and message.velocity:
                sounding[message.channel, message.note] = (at, message.velocity)
    for key in list(sounding):
        end(key, at)
    return one_voice(sorted(notes, key=lambda note: (note.onset, note.pitch)))


def one_voice(notes: list[Note]) -> list[Note]:
    """Return the notes without overlaps at one pitch: two hands, or two tracks, share the keys."""
    next_onset: dict[int, float] = {}
    kept = []
    for note in reversed(notes):
        duration = min(note.duration, next_onset.get(note.pitch, inf) - note.onset)
        if duration >= _SHORTEST_NOTE_S:
            kept.append(replace(note, duration=duration))
            next_onset[note.pitch] = note.onset
    return kept[::-1]


def _pedal(timed: Iterable[tuple[float, mido.Message]]) -> list[tuple[float, int]]:
    """Return the moves of the sustain pedal; of several channels', the lowest foot counts."""
    feet: dict[int, int] = {}
    moves: list[tuple[float, int]] = []
    for at, message in timed:
        if message.type == "control_change" and message.control == SUSTAIN:
            feet[message.channel] = message.value
            value = max(feet.values())
            if value != (moves[-1][1] if moves else 0):
                moves.append((at, value))
    return moves


def _end(note: Note) -> float:
    return note.onset + note.duration
