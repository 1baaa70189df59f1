"""What the brain and the engine's process say to each other: a line each.

The brain's lines are pickles of our own, for a child of our own. What comes back is JSON and is checked: a process that
fails may say anything. Light: no TensorFlow.
"""

import base64
import json
import pickle
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any, TypeVar

from improv.events import PITCHES, Note
from improv.play.planner import Brief
from improv.play.turns import Answer

# A line is no longer than this: an answer of 240 notes takes 20 KB.
LINE = 1 << 16
# No answer is asked to be longer than a minute, and none is much longer than it was asked to be.
_LONGEST_S = 120.0
_Kind = TypeVar("_Kind")


@dataclass(frozen=True, slots=True)
class Start:
    """The first line: which weights to play, in which style, and whether only a GPU will do."""

    model: Path
    hash: str
    style: str | None
    needs_gpu: bool


@dataclass(frozen=True, slots=True)
class Question:
    """A phrase to be answered, as `compose` takes it. A later one makes it stale."""

    number: int
    heard: tuple[Note, ...]
    brief: Brief


@dataclass(frozen=True, slots=True)
class Warm:
    """It is ready: where it computes, and how long (ms) a phrase takes on it and on numpy, measured beside it."""

    device: str
    keras_ms: float
    numpy_ms: float


@dataclass(frozen=True, slots=True)
class Answered:
    """The notes that answer the question of this number."""

    number: int
    notes: tuple[Note, ...]

    def answer(self, question: Question) -> Answer:
        """Return the answer to `question`."""
        return Answer(question.brief.revision, question.brief.number, self.notes)


@dataclass(frozen=True, slots=True)
class Bye:
    """It cannot go on; why, for a person, and whether another would fare no better."""

    reason: str
    for_good: bool = False


Word = Warm | Answered | Bye


def to_line(thing: Start | Question) -> bytes:
    """Return what the brain says as a line, its end included."""
    return base64.b64encode(pickle.dumps(thing)) + b"\n"


def from_line(line: bytes, kind: type[_Kind]) -> _Kind:
    """Return what `to_line` made a line of. For lines of our own parent's, from our own pipe."""
    thing = pickle.loads(base64.b64decode(line))
    if not isinstance(thing, kind):
        raise TypeError(type(thing).__name__)
    return thing


def encode(word: Word) -> bytes:
    """Return what the engine's process says as a line, its end included."""
    match word:
        case Warm(device, keras_ms, numpy_ms):
            fact: dict[str, Any] = {"warm": device, "keras_ms": keras_ms, "numpy_ms": numpy_ms}
        case Answered(number, notes):
            fact = {"answer": number, "notes": [[n.pitch, n.velocity, n.onset, n.duration] for n in notes]}
        case Bye(reason, for_good):
            fact = {"bye": reason, "for_good": for_good}
    return json.dumps(fact).encode() + b"\n"


def decode(line: bytes) -> Word:
    """Return what the engine's process says. Raises ValueError if that is nonsense."""
    try:
        fact = json.loads(line)
        if "warm" in fact:
            return Warm(str(fact["warm"]), _number(fact["keras_ms"]), _number(fact["numpy_ms"]))
        if "bye" in fact:
            return Bye(str(fact["bye"]), fact.get("for_good") is True)
        first, *others = (_note(*values) for values in fact["notes"])
        return Answered(int(fact["answer"]), (first, *others))
    except (ArithmeticError, KeyError, TypeError, RecursionError, ValueError) as error:
        raise ValueError(f"nonsense: {line[:60]!r}") from error


def _note(pitch: object, velocity: object, onset: object, duration: object) -> Note:
    note = Note(int(_number(pitch)), int(_number(velocity)), _number(onset), _number(duration))
    in_time = 0 <= note.onset <= _LONGEST_S and 0 < note.duration <= _LONGEST_S
    if not (in_time and 0 <= note.pitch < PITCHES and 1 <= note.velocity < PITCHES):
        raise ValueError(note)
    return note


def _number(value: object) -> float:
    if not isinstance(value, int | float) or not isfinite(value):
        raise ValueError(value)
    return float(value)
