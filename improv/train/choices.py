"""Whether the best of several answers is closer to how the music went on than the first: on held-out music."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import process_time

import numpy as np

from improv.errors import CorpusError
from improv.events import Note
from improv.listen.phrase import Call
from improv.play.candidates import COUNTS, compose_many, composed
from improv.play.planner import MIN_NOTES, Brief
from improv.play.scoring import likenesses, profiles
from improv.play.turns import Answer
from improv.predict.encoding import DURATION, PITCH, STEP, VELOCITY, FloatArray
from improv.predict.engine import Engine, Taste
from improv.predict.engines import engine_of
from improv.predict.weights import find, load
from improv.train.bootstrap import Estimate, Numbers, draws, ratio
from improv.train.closeness import MANNERS, MEASURES, closeness, manners
from improv.train.corpus import CACHE, Corpus, read
from improv.train.passages import Indices, evenly
from improv.train.sequences import Music
from improv.train.tried import scores

# How long a call is, an answer, and what truly came; and how many notes before are heard.
SECONDS = 8.0
HEARD = 100
_POLYPHONY = 8
_UNKNOWN_VELOCITY = 64
# Answers whose time is taken.
_TIMED = 10

Report = Callable[[str], None]
Figures = Mapping[str, Estimate | None]


@dataclass(frozen=True, slots=True)
class ChoicePlan:
    """Who answers, and where. `prompts`: places of each corpus; `split`: of which files."""

    models: tuple[str, ...]
    corpora: tuple[Path, ...]
    split: str
    prompts: int = 80
    seed: int = 42
    cache: Path = CACHE


@dataclass(frozen=True, slots=True)
class Place:
    """A place in held-out music: what an engine is asked there, and what truly came, from its first onset at 0 on.

    `loud`: whether the file has dynamics.
    """

    heard: tuple[Note, ...]
    brief: Brief
    truth: tuple[Note, ...]
    file: int
    loud: bool


@dataclass(frozen=True, slots=True)
class Chosen:
    """What came of choosing among `count` candidates. By measure: how close the choice is, and the paired `gain`.

    `manner`: how much like its call the choice is, what share of its runs of 4 notes it has from what was heard, and
    what share is its own, again.
    """

    count: int
    close: Figures
    gain: Figures
    manner: Figures


@dataclass(frozen=True, slots=True)
class Choices:
    """What came of one model on one corpus. `oracle`: gains of who knows the truth and chooses by it, among the most.

    `manner`: of the truth. `tried`: the gains among the most, by other scores. `seconds`: of a core, until so many
    candidates are there and the best of them is chosen; the median of `timed` answers.
    """

    corpus: str
    model: str
    hash: str
    prompts: int
    files: int
    rows: tuple[Chosen, ...]
    oracle: Figures
    manner: Figures
    tried: Mapping[str, Figures]
    seconds: Mapping[int, float]
    timed: int


def choices(plan: ChoicePlan, report: Report) -> Iterator[Choices]:
    """Let models choose as planned, a corpus after the other. Raises ModelError, or CorpusError without a place."""
    engines = {model: engine_of(load(find(model))) for model in plan.models}
    for folder in plan.corpora:
        corpus = read(folder, plan.cache)
        found = places(corpus, plan.split, plan.prompts, plan.seed)
        if not found:
            raise CorpusError(f"{corpus.name}: no file of {plan.split} goes on for {SECONDS:g} s after {HEARD} notes")
        for engine in engines.values():
            report(f"{corpus.name}: {engine.info.name} answers {len(found)} calls {COUNTS[-1]} times each")
            yield measured(corpus.name, engine, found, plan.seed)


def places(corpus: Corpus, split: str, count: int, seed: int) -> list[Place]:
    """Return at most `count` places, evenly spread over the files that are long enough, and over each."""
    music = Music.of([corpus], split, HEARD + MIN_NOTES)
    onsets = [
        np.cumsum(music.notes[a:b, STEP], dtype=np.float64) for a, b in zip(music.starts, music.ends, strict=True)
    ]
    # The first notes of a file that are too late for what comes after them.
    lasts = np.array([np.searchsorted(own, own[-1] - SECONDS) for own in onsets], np.int64)
    long = np.flatnonzero(lasts > HEARD)
    if not len(long):
        return []
    files = np.sort(np.resize(long[evenly(len(long), count)], count))
    found: list[Place] = []
    for file in np.unique(files):
        notes, own = music.notes[music.starts[file] : music.ends[file]], onsets[file]
        several = int((files == file).sum())
        for number in range(several):
            at = HEARD + int((lasts[file] - HEARD) * (2 * number + 1)) // (2 * several)
            place = _place(notes, own, at, int(file), seed + len(found))
            if place is not None:
                found.append(place)
    return found


def _place(notes: FloatArray, onsets: Numbers, at: int, file: int, seed: int) -> Place | None:
    """Return the place before note `at`; None where the call, or what truly came, has hardly a note."""
    begin = max(int(np.searchsorted(onsets, onsets[at - 1] - SECONDS)), at - HEARD)
    end = int(np.searchsorted(onsets, onsets[at] + SECONDS))
    if min(at - begin, end - at) < MIN_NOTES:
        return None
    heard = _notes(notes[at - HEARD : at], onsets[at - HEARD : at])
    own = heard[begin - at :]
    call = Call(1, own[0].onset, own[-1].onset, len(own), tuple(note.velocity for note in own))
    # The turn comes when the next note truly did.
    taste = Taste().after(float(onsets[at] - onsets[at - 1]))
    truth = _notes(notes[at:end], onsets[at:end] - onsets[at])
    loud = bool((notes[at:end, VELOCITY] > 0).all())
    return Place(heard, Brief(call, SECONDS, taste, _POLYPHONY, seed, 1), truth, file, loud)


def _notes(rows: FloatArray, onsets: Numbers) -> tuple[Note, ...]:
    return tuple(
        Note(int(row[PITCH]), int(row[VELOCITY]) or _UNKNOWN_VELOCITY, float(onset), float(row[DURATION]))
        for row, onset in zip(rows, onsets, strict=True)
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Answered:
    """What came of one place. Figures of each candidate (candidates), `manner` of the truth last.

    `picked`: by how many there are to choose among, the choice of each group of so many.
    """

    close: Mapping[str, Numbers]
    manner: Mapping[str, Numbers]
    picked: Mapping[int, Indices]
    tried: Mapping[str, int]


def measured(corpus: str, engine: Engine, found: Sequence[Place], seed: int) -> Choices:
    """Return what came of letting `engine` answer at the places, with the most candidates.

    Where fewer are chosen among, all groups of so many count: the first alone would be one draw.
    """
    answered = [_answered(engine, place) for place in found]
    files = np.unique([place.file for place in found], return_inverse=True)[1]
    chosen = draws(int(files.max()) + 1, seed)
    counts = np.bincount(files).astype(np.float64)

    def over(names: Iterable[str], figure: Callable[[_Answered, str], float]) -> Figures:
        sums = {name: np.bincount(files, [figure(own, name) for own in answered]) for name in names}
        return {name: ratio(np.asarray(own, np.float64), counts, chosen) for name, own in sums.items()}

    def gains(pick: Callable[[_Answered, Numbers], Numbers]) -> Figures:
        return over(MEASURES, lambda own, name: pick(own, own.close[name]).mean() - own.close[name].mean())

    def chosen_among(count: int) -> Chosen:
        return Chosen(
            count,
            over(MEASURES, lambda own, name: own.close[name][own.picked[count]].mean()),
            gains(lambda own, close: close[own.picked[count]]),
            over(MANNERS, lambda own, name: own.manner[name][own.picked[count]].mean()),
        )

    def tried(rule: str) -> Figures:
        return gains(lambda own, close: close[[own.tried[rule]]])

    timed = found[:: max(1, len(found) // _TIMED)]
    return Choices(
        corpus,
        engine.info.name,
        engine.info.hash,
        len(found),
        len(set(files)),
        tuple(chosen_among(count) for count in COUNTS),
        oracle=gains(lambda _, close: close.max(keepdims=True)),
        manner=over(MANNERS, lambda own, name: own.manner[name][-1]),
        tried={rule: tried(rule) for rule in answered[0].tried},
        seconds=_seconds(engine, timed),
        timed=len(timed),
    )


def _answered(engine: Engine, place: Place) -> _Answered:
    heard, brief = list(place.heard), place.brief
    call = heard[-brief.call.notes :]
    answers = [answer.notes for answer in _last(composed(engine, heard, brief, range(COUNTS[-1])))]
    own, told = profiles(answers), profiles([heard, call])
    picked = {}
    for count in COUNTS:
        groups = np.arange(COUNTS[-1]).reshape(-1, count)
        picked[count] = np.array([group[likenesses(own[group], *told).scores().argmax()] for group in groups])
    return _Answered(
        closeness(answers, place.truth, SECONDS, loud=place.loud),
        manners([*answers, place.truth], heard, call),
        picked,
        {
            name: int(values.argmax())
            for name, values in scores(engine, answers, heard, call, likenesses(own, *told)).items()
        },
    )


def _seconds(engine: Engine, timed: Sequence[Place]) -> dict[int, float]:
    """Return the seconds of a core that a choice among so many candidates takes, whoever else is busy here."""
    taken: dict[int, list[float]] = {count: [] for count in COUNTS}
    for place in timed:
        began = process_time()
        for choice in compose_many(engine, list(place.heard), place.brief, COUNTS[-1]):
            if choice is not None:
                taken[choice.count].append(process_time() - began)
    return {count: float(np.median(own)) for count, own in taken.items()}


def _last(steps: Iterator[list[Answer] | None]) -> list[Answer]:
    return next(answers for answers in steps if answers is not None)
