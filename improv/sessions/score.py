"""Who played what in a session: its journal as notes."""

from dataclasses import dataclass, replace
from math import inf

from improv.errors import SessionError
from improv.events import (
    SUSTAIN,
    ControlChange,
    Note,
    NoteOff,
    NoteOn,
    ProgramChange,
    Realtime,
    SongPosition,
    decode,
    encode,
)
from improv.ports.link import Heard, Sent, TimedBytes
from improv.sessions.journal import Session
from improv.sessions.records import Released, Restarted

# Silence kept before the first note, in seconds.
LEAD_IN_S = 1.0
_BANK = (0, 32)
_DRUMS = 9


@dataclass(frozen=True, slots=True)
class Played:
    """A note, on which channel (0-15), and in which of our turns; turn 0 is the human."""

    note: Note
    channel: int
    turn: int = 0


@dataclass(frozen=True, slots=True)
class Answered:
    """When one of our turns sounded. Answers are numbered from 1; those that never sounded have no number."""

    number: int
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Score:
    """A session as music, in order of onset. Seconds from the session's start, but at most `LEAD_IN_S` before a note.

    The machine has a channel that the human does not use, so that whoever plays this keeps their notes and pedals
    apart. `controllers` are everything that is no note, the human's and ours.
    """

    human: tuple[Played, ...]
    machine: tuple[Played, ...]
    controllers: tuple[TimedBytes, ...]
    answers: tuple[Answered, ...]
    end: float


def score(session: Session) -> Score:
    """Return what was played in `session`. Raises SessionError if nothing was."""
    human, machine = _Part(), _Part()
    controllers: list[tuple[float, bool, bytes]] = []  # at, whether ours, message
    now = -inf
    # What is planned leaves this much before it sounds.
    offset = 0.0 if session.opening is None else session.opening.settings.ports.output_offset_ms / 1000
    for record in session.records:
        match record:
            case Heard(_, at, port, data):
                now = max(now, at)
                if human.feed(at, port, 0, data):
                    controllers.append((at, False, data))
            case Sent(turn, _, left, data):
                at = left + offset * (turn > 0)
                now = max(now, at)
                if machine.feed(at, "", turn, data) and _is_ours(turn, data):
                    controllers.append((at, True, data))
            case Released(at):
                human.end_all(at)
                machine.end_all(at)
            case Restarted(at):
                machine.end_all(at)
    controllers += [(now, ours, data) for ours, data in _lifts(controllers)]
    human.end_all(now)
    machine.end_all(now)
    machine_notes = [played for played in machine.notes if played.turn]
    first = min((played.note.onset for played in (*human.notes, *machine_notes)), default=None)
    if first is None:
        raise SessionError(f"{session.path}: nothing was played in this session")
    opening = session.opening
    start = first - LEAD_IN_S if opening is None else min(first, max(opening.t0, first - LEAD_IN_S))
    channels = _channels(human.notes, machine_notes)
    moved = [replace(played, channel=channels[played.channel]) for played in machine_notes]
    return Score(
        _from(start, human.notes),
        _from(start, moved),
        tuple(
            (max(0.0, at - start), bytes((data[0] & 0xF0 | channels[data[0] & 0x0F], *data[1:])) if ours else data)
            for at, ours, data in sorted(controllers, key=lambda each: each[0])
        ),
        _answers(start, machine_notes),
        max(played.note.onset + played.note.duration for played in (*human.notes, *machine_notes)) - start,
    )


class _Part:
    """One player's notes: pairs offs with ons."""

    def __init__(self) -> None:
        self.notes: list[Played] = []
        self._open: dict[tuple[str, int, int], tuple[float, int, int]] = {}

    def feed(self, at: float, port: str, turn: int, data: bytes) -> bool:
        """Take a message; return whether it is something to keep that is no note."""
        event = decode(data)
        match event:
            case NoteOn(pitch, velocity, channel):
                self._end((port, channel, pitch), at)
                self._open[port, channel, pitch] = (at, velocity, turn)
            case NoteOff(pitch, channel):
                self._end((port, channel, pitch), at)
        return not isinstance(event, NoteOn | NoteOff | Realtime | SongPosition | None)

    def end_all(self, at: float) -> None:
        """End what sounds: its offs were never seen."""
        for key in list(self._open):
            self._end(key, at)

    def _end(self, key: tuple[str, int, int], at: float) -> None:
        if key in self._open:
            onset, velocity, turn = self._open.pop(key)
            self.notes.append(Played(Note(key[2], velocity, onset, max(0.0, at - onset)), key[1], turn))


def _lifts(controllers: list[tuple[float, bool, bytes]]) -> list[tuple[bool, bytes]]:
    """Return what brings up the sustain pedals that are still down: everything is let go at the end."""
    feet: dict[tuple[bool, int], int] = {}
    for _, ours, data in controllers:
        match decode(data):
            case ControlChange(control, value, channel) if control == SUSTAIN:
                feet[ours, channel] = value
    return [(ours, encode(ControlChange(SUSTAIN, 0, channel))) for (ours, channel), value in feet.items() if value]


def _is_ours(turn: int, data: bytes) -> bool:
    """Say whether a message we sent belongs to the music: of what belongs to no turn, only how we are to sound."""
    match decode(data):
        case ProgramChange():
            return True
        case ControlChange(control):
            return turn > 0 or control in _BANK
    return turn > 0


def _channels(human: list[Played], machine: list[Played]) -> dict[int, int]:
    """Return where each of our channels goes, to keep out of the human's way."""
    taken = {played.channel for played in human}
    used = {played.channel for played in machine}
    free = [channel for channel in range(16) if channel not in taken | used | {_DRUMS}]
    return {channel: free.pop(0) if channel in taken and channel in used and free else channel for channel in range(16)}


def _from(start: float, notes: list[Played]) -> tuple[Played, ...]:
    moved = [replace(played, note=replace(played.note, onset=played.note.onset - start)) for played in notes]
    return tuple(sorted(moved, key=lambda played: (played.note.onset, played.note.pitch)))


def _answers(start: float, notes: list[Played]) -> tuple[Answered, ...]:
    spans: dict[int, tuple[float, float]] = {}
    for played in notes:
        onset = played.note.onset - start
        first, last = spans.get(played.turn, (inf, -inf))
        spans[played.turn] = min(first, onset), max(last, onset + played.note.duration)
    return tuple(Answered(number, *span) for number, span in enumerate(sorted(spans.values()), start=1))
