"""Go on from the beginning of a file, without a jam: notes, a MIDI file of them, and a picture."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path

import numpy as np

from improv.drawing import HUMAN, MACHINE, Part, Shade, roll
from improv.errors import ImprovError, SessionError, UsageError
from improv.events import Note
from improv.predict.continuation import continuations
from improv.predict.encoding import DURATION, PITCH, STEP, VELOCITY, FloatArray, notes_to_array
from improv.predict.engine import Taste
from improv.predict.engines import engine_of
from improv.predict.weights import find, load
from improv.sessions import export, journal, performance
from improv.sessions import roll as pictures
from improv.sessions.score import Played, score

NOTES = 120
# All keys of a piano; in a jam the player says which.
_LOWEST, _HIGHEST = 21, 108
# Shorter is no note: nothing begins later than this before the end.
_SHORTEST_S = 0.05
# Who plays more notes than this in a second stands still; so does who is drawn this often for a note.
_MOST_A_SECOND = 100
_MOST_DRAWN = 10


@dataclass(frozen=True, slots=True)
class Wish:
    """What to go on from, and how. `prompt` None: the bundled performance; its first `prompt_notes`, None: a window.

    The continuation is `notes` long, or `seconds` from the last onset of the prompt; with neither, 120 notes.
    """

    prompt: Path | None = None
    model: str = "lstm"
    style: str | None = None
    prompt_notes: int | None = None
    notes: int | None = None
    seconds: float | None = None
    temperature: float = 1.0
    top_p: float = 0.95
    seed: int = 42


@dataclass(frozen=True, slots=True)
class Piece:
    """A prompt, what `model` made of it, both in order of onset, and where the prompt is from. Second 0 begins it."""

    model: str
    source: str
    prompt: tuple[Note, ...]
    continuation: tuple[Note, ...]

    def without_prompt(self) -> "Piece":
        """Return the continuation alone, from second 0 on."""
        start = self.continuation[0].onset
        moved = tuple(replace(note, onset=note.onset - start) for note in self.continuation)
        return replace(self, prompt=(), continuation=moved)


def generate(wish: Wish) -> Piece:
    """Return a piece as wished; the same wish, the same piece.

    Raises UsageError for what cannot be meant, CorpusError or SessionError for the prompt, ModelError for model or
    style.
    """
    if wish.notes is not None and wish.seconds is not None:
        raise UsageError("--notes and --seconds: how long it goes on is one or the other")
    for option, value in (("seconds", wish.seconds), ("temperature", wish.temperature), ("top-p", wish.top_p)):
        if value is not None and not isfinite(value):
            raise UsageError(f"--{option}: {value} is no number")
    engine = engine_of(load(find(wish.model)), wish.style)
    source = wish.prompt or performance.DEMO
    prompt = heard(source)[: wish.prompt_notes or engine.info.window]
    taste = Taste(wish.temperature, wish.top_p, _LOWEST, _HIGHEST)

    def following(count: int) -> list[Note]:
        rows = continuations(engine, notes_to_array(prompt), count, taste, wish.seed)[0]
        return _played(prompt, rows)

    if wish.seconds is None:
        found = _so_many(following, wish.notes or NOTES)
    else:
        found = _until(following, prompt[-1].onset, wish.seconds)
    return Piece(engine.info.name, source.stem, prompt, tuple(found))


def heard(path: Path) -> tuple[Note, ...]:
    """Return the notes of a MIDI file, or the human's of a session's journal (`.jsonl`), from second 0 on.

    Raises CorpusError or SessionError where there are none.
    """
    if path.suffix != ".jsonl":
        return performance.load(path).notes
    notes = [played.note for played in score(journal.read(path)).human]
    if not notes:
        raise SessionError(f"{path}: the human played nothing in this session")
    return tuple(replace(note, onset=note.onset - notes[0].onset) for note in notes)


def write(piece: Piece, midi: Path, png: Path) -> None:
    """Write a piece as a MIDI file, prompt and continuation on tracks of their own, and as a picture.

    Raises SessionError.
    """
    both = {"prompt": (piece.prompt, 0), "continuation": (piece.continuation, 1)}
    parts = {name: [Played(note, channel) for note in notes] for name, (notes, channel) in both.items() if notes}
    export.save(export.of_parts(midi.stem, parts), midi)
    ours = Part(f"{piece.model} · {len(piece.continuation)} notes", MACHINE, piece.continuation)
    human = Part(f"{piece.source} · its first {len(piece.prompt)} notes", HUMAN, piece.prompt)
    shade = Shade(piece.continuation[0].onset, max(note.onset + note.duration for note in piece.continuation), "")
    picture = roll([human, ours], midi.stem, [shade]) if piece.prompt else roll([ours], midi.stem)
    pictures.save(picture, png)


def _so_many(following: Callable[[int], list[Note]], count: int) -> list[Note]:
    """Return `count` notes: where one is struck again at once, one more is drawn for it."""
    drawn, found = 0, list[Note]()
    while len(found) < count:
        if drawn > _MOST_DRAWN * count:
            raise ImprovError(
                f"the model does nothing but repeat itself: {len(found)} notes of {drawn} can be told apart"
            )
        drawn += count - len(found)
        # A longer continuation begins with the shorter one.
        found = performance.one_voice(following(drawn))
    return found


def _until(following: Callable[[int], list[Note]], start: float, seconds: float) -> list[Note]:
    """Return the notes of the `seconds` from `start`; what rings over the end ends there."""
    drawn, end = NOTES, start + seconds
    while (found := following(drawn))[-1].onset < end:
        if drawn > _MOST_A_SECOND * seconds + NOTES:
            raise ImprovError(f"the model gets no further than {found[-1].onset - start:.2f} s in {drawn} notes")
        drawn *= 2
    within = [note for note in found if note.onset <= end - _SHORTEST_S]
    if not within:
        raise ImprovError(
            f"the first note comes {found[0].onset - start:.2f} s after the prompt's last: more --seconds"
        )
    cut = [replace(note, duration=min(note.duration, end - note.onset)) for note in within]
    return performance.one_voice(cut)


def _played(prompt: Sequence[Note], rows: FloatArray) -> list[Note]:
    """Return what follows the prompt; as loud as that, on the mean, where the model has no velocity."""
    loudness = round(sum(note.velocity for note in prompt) / len(prompt))
    velocities = np.where(np.isnan(rows[:, VELOCITY]), loudness, rows[:, VELOCITY])
    onsets = prompt[-1].onset + np.cumsum(rows[:, STEP], dtype=np.float64)
    return [
        Note(int(row[PITCH]), int(velocity), float(onset), float(row[DURATION]))
        for row, velocity, onset in zip(rows, velocities, onsets, strict=True)
    ]
