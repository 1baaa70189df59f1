"""What the memory of the player is worth: how a phrase is foreseen after so much of the piece, with and without it.

At places spread over each held-out piece the player begins: network and memory know nothing. Both hear every note;
after 10, 30, 100 and 300 of them the next 25 are the phrase. The network's state is carried through everything heard
and through the phrase, with and without memory alike; the memory learns nothing in the phrase, as in an answer.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from improv.errors import CorpusError, ImprovError
from improv.predict.bins import CELLS, PITCH_BIN, STEP_BIN, binned
from improv.predict.encoding import PITCH, STEP, FloatArray
from improv.predict.memory import Memory
from improv.predict.sequence_engine import SequenceEngine
from improv.predict.weights import Weights, find, load
from improv.train.bootstrap import Estimate, Numbers, draws, ratio, spread
from improv.train.corpus import CACHE, VALIDATION, read
from improv.train.passages import evenly
from improv.train.sequences import Music

HEARD = (10, 30, 100, 300)
PHRASE = 25
# A piece that loses more nats a note than this is worse off.
WORSE = 0.02
# How many notes are remembered where the cost is measured, and over how many notes it is.
REMEMBERED, _TIMED = 10_000, 1000
_LENGTH = max(HEARD) + PHRASE
# Places that are foreseen at once.
_BATCH = 64

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """What to measure on. `files`: of each validation split, evenly spread; `places`: to begin at, in each at most."""

    model: str
    corpora: tuple[Path, ...]
    files: int | None = None
    places: int = 8
    seed: int = 42
    cache: Path = CACHE


@dataclass(frozen=True, slots=True, eq=False)
class Gain:
    """The phrase after `heard` notes, in `pieces` pieces: nats a note, lower is better, and what the memory takes off.

    `bare`, `mixed`: of pitch and step without and with memory. `worse`: the share of pieces worse by more than WORSE.
    `drawn`: the gain in both, in each of many choices of files.
    """

    heard: int
    pieces: int
    phrases: int
    bare: dict[str, float]
    mixed: dict[str, float]
    gains: dict[str, Estimate | None]
    worse: float
    drawn: Numbers


@dataclass(frozen=True, slots=True)
class Cost:
    """Milliseconds a note, medians, with `remembered` notes: to learn one, and to mix into one that is drawn.

    `engine_ms`: one step of the network, for comparison.
    """

    remembered: int
    learning_ms: float
    mixing_ms: float
    engine_ms: float


@dataclass(frozen=True, slots=True, eq=False)
class MemoryGain:
    """What the memory is worth on one corpus, and what it costs; None where there are too few notes to tell."""

    corpus: str
    gains: tuple[Gain, ...]
    cost: Cost | None


@dataclass(frozen=True, slots=True, eq=False)
class _Foreseen:
    """How the bare network foresees the notes of a passage after the first: logits of step and pitch (n - 1, …)."""

    notes: FloatArray
    steps: FloatArray
    pitches: FloatArray


def memory_gains(plan: MemoryPlan, report: Report) -> Iterator[MemoryGain]:
    """Measure as planned, a corpus after the other. Raises ImprovError for a model without distributions."""
    weights = load(find(plan.model))
    if weights.card.network == "tutorial":
        raise ImprovError(f"{weights.name}: gives the step no distribution, so a phrase has no likelihood")
    corpora = [read(folder, plan.cache) for folder in plan.corpora]
    for corpus in corpora:
        music = Music.of([corpus], VALIDATION, HEARD[0] + PHRASE)
        if not len(music.starts):
            raise CorpusError(f"{corpus.name}: no held-out file of {HEARD[0] + PHRASE} notes")
        report(f"{corpus.name}: {len(music.starts)} held-out files")
        yield MemoryGain(corpus.name, tuple(_on(music, weights, plan, report)), _cost(music, weights))


def together(measured: list[MemoryGain], heard: int) -> Estimate | None:
    """Return the mean gain over all corpora, each counting alike; None where one is too short."""
    found = [gain for each in measured for gain in each.gains if gain.heard == heard]
    if len(found) < len(measured) or not found:
        return None
    values = [gain.gains["both"].value for gain in found if gain.gains["both"] is not None]
    return spread(float(np.mean(values)), np.mean([gain.drawn for gain in found], axis=0))


def _on(music: Music, weights: Weights, plan: MemoryPlan, report: Report) -> Iterator[Gain]:
    chosen = evenly(len(music.starts), plan.files or len(music.starts))
    # For each number of notes heard, and each file: bare and mixed nats of pitch and step, and how many phrases.
    sums = {heard: np.zeros((len(chosen), 2, 2)) for heard in HEARD}
    phrases = {heard: np.zeros(len(chosen)) for heard in HEARD}
    places = [(at, passage) for at, file in enumerate(chosen) for passage in _passages(music, int(file), plan.places)]
    places.sort(key=lambda place: -len(place[1]))
    engine = SequenceEngine(weights)
    for begin in range(0, len(places), _BATCH):
        batch = places[begin : begin + _BATCH]
        report(f"  {begin} of {len(places)} places")
        for (at, _), passage in zip(batch, _foreseen(engine, [passage for _, passage in batch]), strict=True):
            for heard, nats in _phrases(passage):
                sums[heard][at] += nats
                phrases[heard][at] += 1
    for heard in HEARD:
        if phrases[heard].any():
            yield _gain(heard, sums[heard], phrases[heard], plan.seed)


def _passages(music: Music, file: int, most: int) -> Iterator[FloatArray]:
    """Yield up to `most` passages of a file, evenly spread; the whole file if it is shorter than one."""
    notes = music.notes[music.starts[file] : music.ends[file]]
    last = max(0, len(notes) - _LENGTH)
    # No two phrases are the same.
    for begin in np.linspace(0, last, min(most, 1 + last // PHRASE)).astype(int):
        passage = notes[begin : begin + _LENGTH].copy()
        passage[0, STEP] = 0
        yield passage


def _foreseen(engine: SequenceEngine, passages: list[FloatArray]) -> Iterator[_Foreseen]:
    """Yield how the network foresees each of the passages, which are heard side by side."""
    longest = max(map(len, passages))
    notes = np.stack([np.pad(each, ((0, longest - len(each)), (0, 0)), "edge") for each in passages])
    state = engine.begin(notes[:, 0])
    found = []
    for at in range(1, longest):
        found.append(engine.foreseen(state, notes[:, at]))
        state = engine.advance(state, notes[:, at])
    steps, pitches = (np.stack([each[part] for each in found], axis=1) for part in (0, 1))
    for row, passage in enumerate(passages):
        count = len(passage) - 1
        yield _Foreseen(passage, steps[row, :count], pitches[row, :count])


def _phrases(passage: _Foreseen) -> Iterator[tuple[int, Numbers]]:
    """Yield, for each number of notes heard, the nats of the phrase after it: bare and mixed, of pitch and step."""
    memory = Memory()
    notes = passage.notes
    for at in range(min(len(notes) - PHRASE, max(HEARD)) + 1):
        if at in HEARD:
            yield at, _phrase(memory, passage, at)
        if at:
            memory.heard(int(notes[at, PITCH]), float(notes[at, STEP]), passage.steps[at - 1], passage.pitches[at - 1])
        else:
            memory.heard(int(notes[at, PITCH]), float(notes[at, STEP]), None, None)


def _phrase(memory: Memory, passage: _Foreseen, heard: int) -> Numbers:
    """Return the nats of the phrase after so many notes (2, 2): bare and mixed, of pitch and step."""
    recall = memory.recall(passage.notes[:heard])
    nats = np.zeros((2, 2))
    bins = binned(passage.notes)
    for at in range(heard, heard + PHRASE):
        steps, pitches = passage.steps[at - 1][None], passage.pitches[at - 1][None]
        true = int(bins[at, PITCH_BIN]), int(bins[at, STEP_BIN])
        nats[0] += _nats(pitches, steps, true)
        if recall is None:
            nats[1] += _nats(pitches, steps, true)
            continue
        nats[1] += _nats(recall.pitch(pitches, passage.notes[at : at + 1, STEP]), recall.step(steps), true)
        recall = recall.after(passage.notes[at : at + 1])
    return nats


def _nats(pitches: FloatArray, steps: FloatArray, true: tuple[int, int]) -> tuple[float, float]:
    """Return -log p of a pitch, and of the 10 ms cell of a step, from logits (1, …)."""
    pitch, step = true
    return _surprise(pitches[0], pitch), _surprise(steps[0], step) + float(np.log(CELLS[step]))


def _surprise(logits: FloatArray, true: int) -> float:
    wide = logits.astype(np.float64)
    top = wide.max()
    return float(top + np.log(np.exp(wide - top).sum()) - wide[true])


def _gain(heard: int, sums: Numbers, phrases: Numbers, seed: int) -> Gain:
    there = phrases > 0
    sums, notes = sums[there], phrases[there] * PHRASE
    chosen = draws(len(sums), seed)
    less = sums[:, 0] - sums[:, 1]
    parts = {"pitch": less[:, 0], "step": less[:, 1], "both": less.sum(axis=1)}
    names = ("pitch", "step")
    bare, mixed = (dict(zip(names, map(float, each / notes.sum()), strict=True)) for each in sums.sum(axis=0))
    return Gain(
        heard=heard,
        pieces=len(sums),
        phrases=int(phrases.sum()),
        bare=bare,
        mixed=mixed,
        gains={name: ratio(part, notes, chosen) for name, part in parts.items()},
        worse=float((parts["both"] / notes < -WORSE).mean()),
        drawn=(chosen @ parts["both"]) / (chosen @ notes),
    )


def _cost(music: Music, weights: Weights) -> Cost | None:
    """Measure on this machine, on the thread that numpy has been given."""
    notes = music.notes[: REMEMBERED + _TIMED]
    if len(notes) < REMEMBERED + _TIMED:
        return None
    memory, engine = Memory(), SequenceEngine(weights)
    for note in notes[:REMEMBERED]:
        memory.heard(int(note[PITCH]), float(note[STEP]), None, None)
    state = engine.prime(notes[:REMEMBERED])
    recall = memory.recall(notes[:REMEMBERED])
    learning, mixing, stepping = [], [], []
    for note in notes[REMEMBERED:]:
        row = note[None]
        steps, pitches = engine.foreseen(state, row)
        begin = time.perf_counter()
        if recall is not None:
            recall.step(steps)
            recall.pitch(pitches, row[:, STEP])
            recall = recall.after(row)
        mixed = time.perf_counter()
        memory.heard(int(note[PITCH]), float(note[STEP]), steps[0], pitches[0])
        learned = time.perf_counter()
        state = engine.advance(state, row)
        mixing.append(mixed - begin)
        learning.append(learned - mixed)
        stepping.append(time.perf_counter() - learned)
    return Cost(REMEMBERED, *(1000 * float(np.median(each)) for each in (learning, mixing, stepping)))
