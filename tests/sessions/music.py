"""Sessions to test with, written as music."""

from pathlib import Path

from improv.events import ControlChange, NoteOff, NoteOn, encode
from improv.ports.link import Heard, Sent
from improv.sessions.journal import Session
from improv.sessions.records import Opening, Record, encode_record
from improv.settings import Settings

T0 = 100.0
opening = Opening("0.1.0", "2026-01-01T00:00:00", T0, 3, "tutorial", "0" * 64, Settings())


def human(at: float, pitch: int, duration: float, velocity: int = 64, port: str = "keys") -> list[Record]:
    on, off = encode(NoteOn(pitch, velocity)), encode(NoteOff(pitch))
    return [Heard(1, T0 + at, port, on), Heard(2, T0 + at + duration, port, off)]


def machine(turn: int, at: float, pitch: int, duration: float, velocity: int = 70) -> list[Record]:
    on, off = encode(NoteOn(pitch, velocity)), encode(NoteOff(pitch))
    end = T0 + at + duration
    return [Sent(turn, T0 + at, T0 + at, on), Sent(turn, end, end, off)]


def pedal(at: float, value: int) -> list[Record]:
    return [Heard(3, T0 + at, "keys", encode(ControlChange(64, value)))]


def session(*parts: list[Record], ordered: bool = True) -> Session:
    records = [record for part in parts for record in part]
    if ordered:
        records.sort(key=lambda record: record.at)
    return Session(Path("test.jsonl"), (opening, *records))


def write(path: Path, music: Session) -> Path:
    path.write_text("".join(f"{encode_record(record)}\n" for record in music.records))
    return path
