"""A session as a MIDI file that every sequencer opens: type 1, the human, the machine and controllers apart."""

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import mido

from improv.errors import SessionError
from improv.events import Note, NoteOff, NoteOn, encode
from improv.sessions.journal import read
from improv.sessions.score import Played, Score, score

TICKS_PER_BEAT = 960
# Two beats a second: the grid is a clock, until somebody follows a beat.
_TEMPO = 500_000
_TICKS_PER_S = TICKS_PER_BEAT * 1_000_000 / _TEMPO
_OFF, _CONTROL, _ON = range(3)

_Timed = tuple[int, int, mido.Message | mido.MetaMessage]
"""Tick, rank at equal ticks, message."""


def export(journal: Path, midi: Path) -> None:
    """Write the session in `journal` to the MIDI file `midi`, whole or not at all.

    Second 0 is the session's start, but at most a second before the first note. Raises SessionError.
    """
    save(to_midi(score(read(journal)), journal.stem), midi)


def save(file: mido.MidiFile, midi: Path) -> None:
    """Write a MIDI file, whole or not at all. Raises SessionError."""
    draft = midi.with_name(f".{midi.name}.{os.getpid()}")
    try:
        midi.parent.mkdir(parents=True, exist_ok=True)
        file.save(draft)
        draft.replace(midi)
    except OSError as error:
        raise SessionError(f"{midi}: {error.strerror or error}") from error
    finally:
        _remove(draft)


def unexported(folder: Path) -> list[Path]:
    """Return the journals in `folder` with no MIDI file beside them, or an older one: their jams did not end well.

    Oldest first. Empty ones are left out, those of jams that go on are not.
    """
    return [path for path in sorted(folder.glob("*.jsonl")) if _written(path) > _written(path.with_suffix(".mid"))]


def to_midi(music: Score, name: str) -> mido.MidiFile:
    """Return `music` as a type-1 file: tempo, time signature and answers; the human; the machine; controllers."""
    markers = [(answer.start, f"answer {answer.number}") for answer in music.answers]
    file = of_parts(name, {"human": music.human, "machine": music.machine}, markers)
    controllers = [(_tick(at), _CONTROL, mido.Message.from_bytes(data)) for at, data in music.controllers]
    file.tracks.append(_track([_named("controllers"), *controllers]))
    return file


def of_parts(
    name: str, parts: Mapping[str, Iterable[Played]], markers: Iterable[tuple[float, str]] = ()
) -> mido.MidiFile:
    """Return a type-1 file of tempo, time signature and `markers` (at, text), and a track for each of `parts`."""
    conductor: list[_Timed] = [
        (0, _OFF, mido.MetaMessage("track_name", name=_latin(name))),
        (0, _OFF, mido.MetaMessage("set_tempo", tempo=_TEMPO)),
        (0, _OFF, mido.MetaMessage("time_signature", numerator=4, denominator=4)),
    ]
    conductor += [(_tick(at), _ON, mido.MetaMessage("marker", text=text)) for at, text in markers]
    file = mido.MidiFile(type=1, ticks_per_beat=TICKS_PER_BEAT)
    file.tracks = [_track(conductor), *(_track([_named(part), *_notes(notes)]) for part, notes in parts.items())]
    return file


def _named(name: str) -> _Timed:
    return 0, -1, mido.MetaMessage("track_name", name=_latin(name))


def _notes(notes: Iterable[Played]) -> Iterator[_Timed]:
    """Yield ons and offs: no note without length, none that begins again before its end."""
    keys: dict[tuple[int, int], list[Note]] = {}
    for played in notes:
        keys.setdefault((played.channel, played.note.pitch), []).append(played.note)
    for (channel, pitch), same in keys.items():
        starts = [_tick(note.onset) for note in same]
        for note, start, following in zip(same, starts, [*starts[1:], None], strict=True):
            end = max(start + 1, _tick(note.onset + note.duration))
            end = end if following is None else min(end, following)
            if end > start:
                yield start, _ON, mido.Message.from_bytes(encode(NoteOn(pitch, note.velocity, channel)))
                yield end, _OFF, mido.Message.from_bytes(encode(NoteOff(pitch, channel)))


def _track(events: list[_Timed]) -> mido.MidiTrack:
    """Return a track with the time between events, offs before ons."""
    track = mido.MidiTrack()
    now = 0
    for tick, _, message in sorted(events, key=lambda each: each[:2]):
        track.append(message.copy(time=tick - now))
        now = tick
    track.append(mido.MetaMessage("end_of_track"))
    return track


def _tick(at: float) -> int:
    """Return the tick nearest to `at` seconds; rounded from absolute time, so that errors do not add up."""
    return round(at * _TICKS_PER_S)


def _latin(text: str) -> str:
    """Return `text` in the letters that MIDI files are written in."""
    return text.encode("latin-1", "replace").decode("latin-1")


def _written(path: Path) -> float:
    """Return when `path` was last written (wall clock); 0 if there is nothing in it."""
    try:
        facts = path.stat()
    except OSError:
        return 0.0
    return facts.st_mtime if facts.st_size else 0.0


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return
