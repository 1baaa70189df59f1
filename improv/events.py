"""MIDI events as values, and their bytes.

Channels are 0-15. A note-on with velocity 0 *is* a note-off and is decoded as one (MIDI 1.0).
Pure and light: the ports process imports this module.
"""

from dataclasses import dataclass

PITCHES = 128
CLOCK, START, CONTINUE, STOP = 0xF8, 0xFA, 0xFB, 0xFC
SUSTAIN, SOSTENUTO, SOFT = 64, 66, 67
ALL_SOUND_OFF, RESET_CONTROLLERS, ALL_NOTES_OFF = 120, 121, 123

_NOTE_OFF, _NOTE_ON, _POLY, _CONTROL, _PROGRAM, _PRESSURE, _BEND = range(0x80, 0xF0, 0x10)
_SONG_POSITION = 0xF2
_BEND_CENTRE = 8192


@dataclass(frozen=True, slots=True)
class NoteOn:
    """A key goes down. `velocity` is 1-127."""

    pitch: int
    velocity: int
    channel: int = 0


@dataclass(frozen=True, slots=True)
class NoteOff:
    """A key comes up."""

    pitch: int
    channel: int = 0


@dataclass(frozen=True, slots=True)
class ControlChange:
    """A controller moves; pedals are down at `value` >= 64."""

    control: int
    value: int
    channel: int = 0


@dataclass(frozen=True, slots=True)
class ProgramChange:
    """A program (0-127) is chosen."""

    program: int
    channel: int = 0


@dataclass(frozen=True, slots=True)
class PitchBend:
    """The bend wheel moves: -8192 to 8191, 0 is the centre."""

    value: int
    channel: int = 0


@dataclass(frozen=True, slots=True)
class Pressure:
    """Aftertouch, of one key or (`pitch` None) of the whole channel."""

    value: int
    pitch: int | None = None
    channel: int = 0


@dataclass(frozen=True, slots=True)
class Realtime:
    """Clock, start, continue or stop, by its status byte."""

    status: int


@dataclass(frozen=True, slots=True)
class SongPosition:
    """The sequencer's place, in sixteenths from the start."""

    sixteenths: int


Event = NoteOn | NoteOff | ControlChange | ProgramChange | PitchBend | Pressure | Realtime | SongPosition


@dataclass(frozen=True, slots=True)
class Note:
    """A note that sounded. `onset` and `duration` in seconds of the session clock."""

    pitch: int
    velocity: int
    onset: float
    duration: float


def decode(data: bytes) -> Event | None:
    """Return the event in one complete MIDI message, None for anything else (SysEx, active sensing, noise)."""
    if not data or data[0] < 0x80 or any(byte > 0x7F for byte in data[1:]):
        return None
    status = data[0]
    kind, channel = status & 0xF0, status & 0x0F
    match (kind, len(data)):
        case (0x90, 3) if data[2] > 0:
            return NoteOn(data[1], data[2], channel)
        case (0x90 | 0x80, 3):
            return NoteOff(data[1], channel)
        case (0xA0, 3):
            return Pressure(data[2], data[1], channel)
        case (0xB0, 3):
            return ControlChange(data[1], data[2], channel)
        case (0xC0, 2):
            return ProgramChange(data[1], channel)
        case (0xD0, 2):
            return Pressure(data[1], None, channel)
        case (0xE0, 3):
            return PitchBend((data[2] << 7 | data[1]) - _BEND_CENTRE, channel)
        case (0xF0, 3) if status == _SONG_POSITION:
            return SongPosition(data[2] << 7 | data[1])
        case (0xF0, 1) if status in {CLOCK, START, CONTINUE, STOP}:
            return Realtime(status)
    return None


def encode(event: Event) -> bytes:
    """Return the bytes of one event; `decode` is the inverse."""
    match event:
        case NoteOn(pitch, velocity, channel):
            return bytes((_NOTE_ON | channel, pitch, velocity))
        case NoteOff(pitch, channel):
            return bytes((_NOTE_OFF | channel, pitch, 64))
        case ControlChange(control, value, channel):
            return bytes((_CONTROL | channel, control, value))
        case ProgramChange(program, channel):
            return bytes((_PROGRAM | channel, program))
        case Pressure(value, pitch, channel):
            return bytes((_PRESSURE | channel, value) if pitch is None else (_POLY | channel, pitch, value))
        case PitchBend(value, channel):
            raw = value + _BEND_CENTRE
            return bytes((_BEND | channel, raw & 0x7F, raw >> 7))
        case SongPosition(sixteenths):
            return bytes((_SONG_POSITION, sixteenths & 0x7F, sixteenths >> 7))
        case Realtime(status):
            return bytes((status,))
