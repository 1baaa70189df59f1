"""Other scores of answers than the one that is played by: each a way in which an answer could be good."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from improv.events import Note
from improv.play.scoring import Likenesses
from improv.predict.bins import binned
from improv.predict.encoding import notes_to_array
from improv.predict.engine import Engine
from improv.predict.grid import TIMES
from improv.predict.sequence_engine import SequenceEngine
from improv.train.foreseen import judged

Numbers = NDArray[np.float64]
Passage = Sequence[Note]

_CLASSES = 12
# Points at which a melody's outline is compared.
_OUTLINE = 16


def in_key(answer: Passage, heard: Passage, _call: Passage) -> float:
    """Return how usual the answer's pitch classes are among those heard: the mean of log p."""
    counts = np.bincount([note.pitch % _CLASSES for note in heard], minlength=_CLASSES) + 0.5
    return float(np.log(counts / counts.sum())[[note.pitch % _CLASSES for note in answer]].mean())


def outline(answer: Passage, _heard: Passage, call: Passage) -> float:
    """Return the correlation of the answer's rise and fall with the call's."""
    lines = [_line(answer), _line(call)]
    spread = float(np.prod([line.std() for line in lines]))
    return float((lines[0] * lines[1]).mean() / spread) if spread else 0.0


def _line(notes: Passage) -> Numbers:
    onsets = np.array([note.onset for note in notes])
    line = np.interp(np.linspace(onsets[0], onsets[-1], _OUTLINE), onsets, [note.pitch for note in notes])
    return np.asarray(line - line.mean(), np.float64)


def register(answer: Passage, _heard: Passage, call: Passage) -> float:
    """Return minus the semitones between the mean pitches of answer and call."""
    means = [np.mean([note.pitch for note in notes]) for notes in (answer, call)]
    return -abs(float(means[0] - means[1]))


def density(answer: Passage, _heard: Passage, call: Passage) -> float:
    """Return minus the logarithm of how many times more, or fewer, notes a second the answer has than the call."""
    rates = [len(notes) / max(0.1, notes[-1].onset - notes[0].onset) for notes in (answer, call)]
    return -abs(float(np.log(rates[0] / rates[1])))


def articulation(answer: Passage, _heard: Passage, call: Passage) -> float:
    """Return minus the logarithm of how many times longer, or shorter, the answer's notes are than the call's."""
    means = [np.mean(np.log([max(note.duration, 0.01) for note in notes])) for notes in (answer, call)]
    return -abs(float(means[0] - means[1]))


def ending(answer: Passage, heard: Passage, _call: Passage) -> float:
    """Return how usual the last pitch class is among those heard, and how long its note is among the answer's."""
    last, classes = answer[-1], [note.pitch % _CLASSES for note in heard]
    longer = np.mean([note.duration <= last.duration for note in answer])
    return classes.count(last.pitch % _CLASSES) / len(classes) + float(longer)


BY_NOTES: dict[str, Callable[[Passage, Passage, Passage], float]] = {
    "key": in_key,
    "outline": outline,
    "register": register,
    "density": density,
    "articulation": articulation,
    "ending": ending,
}
LIKELIHOOD = "likelihood"
LIKE = ("heard", "call", "others")
TRIED = (*LIKE, LIKELIHOOD, *BY_NOTES)


def scores(
    engine: Engine, answers: Sequence[Passage], heard: Passage, call: Passage, like: Likenesses
) -> dict[str, Numbers]:
    """Return what each of TRIED makes of the answers (answers); no likelihood of an engine that has none."""
    found = {name: np.asarray(getattr(like, name), np.float64) for name in LIKE}
    if isinstance(engine, SequenceEngine):
        found[LIKELIHOOD] = likelihood(engine, answers, heard)
    for name, score in BY_NOTES.items():
        found[name] = np.array([score(answer, heard, call) for answer in answers])
    return found


def likelihood(engine: SequenceEngine, answers: Sequence[Passage], heard: Passage) -> Numbers:
    """Return the mean of log p of the answers' notes after what was heard, as they are played: without a taste.

    Over step, pitch and duration, from the second note on: when the first comes is not the model's choice.
    """
    count, longest = len(answers), max(map(len, answers))
    notes = np.zeros((longest, count, 4), np.float32)
    lengths = np.array([len(answer) for answer in answers])
    for at, answer in enumerate(answers):
        rows = notes_to_array(answer)
        notes[: len(rows), at], notes[len(rows) :, at] = rows, rows[-1]
    state = engine.advance(engine.prime(notes_to_array(heard), count), notes[0])
    sums = np.zeros(count)
    for at in range(1, longest):
        bins = binned(notes[at])
        known, whole = engine.heads(state), bins.astype(np.int64)
        seen = judged(
            {
                "step": known[:, :TIMES],
                "pitch": engine.pitch_logits(state, known, whole),
                "duration": engine.duration_logits(known, whole),
            },
            bins,
        )
        sums -= np.where(at < lengths, seen.step + seen.pitch + seen.duration, 0)
        state = engine.advance(state, notes[at])
    return np.asarray(sums / np.maximum(1, lengths - 1), np.float64)
