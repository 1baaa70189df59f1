"""Notes drawn to the beat."""

from collections.abc import Sequence
from dataclasses import replace

from improv.beat import Grid
from improv.events import Note

_LINES = 4


def swing_of(onsets: Sequence[float], grid: Grid) -> float:
    return 0.5


def quantised(
    notes: tuple[Note, ...], start: float, grid: Grid, strength: float, swing: float = 0.5
) -> tuple[Note, ...]:
    moved = []
    for note in notes:
        place = start + note.onset / grid.period
        line = round(place * _LINES) / _LINES
        onset = max(0.0, note.onset + strength * (line - place) * grid.period)
        moved.append(replace(note, onset=onset))
    return tuple(sorted(moved, key=lambda note: note.onset))


def ending(notes: tuple[Note, ...], start: float, grid: Grid, beats: float) -> tuple[Note, ...]:
    end = beats * grid.period
    return tuple(
        replace(note, duration=min(note.duration, end - note.onset)) for note in notes if note.onset < end - 0.05
    )
