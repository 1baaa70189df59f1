"""Compare models, and the floors, on the same held-out music: how they foresee it, and what they play after it."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from improv.errors import CorpusError
from improv.predict.bins import time_bins
from improv.predict.encoding import STEP, FloatArray
from improv.predict.engines import engine_of
from improv.predict.weights import Weights, find, load
from improv.train.bootstrap import Estimate, Numbers, draws, gain, mean, ratio
from improv.train.corpus import CACHE, TRAIN, VALIDATION, Corpus, read
from improv.train.floors import Repeat, Unigram
from improv.train.foreseen import CHORD_CELLS, Foreseen, Predictor
from improv.train.generated import Loops, Played, Prompts, measured, play, prompts
from improv.train.likelihood import predictor
from improv.train.ngram import NGram
from improv.train.passages import CONTEXT, Indices, Passages, Questions, questions
from improv.train.sequences import Music

CONTEXTS = (1, 3, 10, 25, 100)
N_GRAM = "n-gram"
FLOORS: dict[str, Callable[[Passages], Predictor]] = {"unigram": Unigram, "repeat": Repeat, N_GRAM: NGram}
FLOOR = "floor"
# What is compared in percent; the figures of a row in their order.
SUM = "pitch + step + duration"
FIGURES = ("pitch", "step", "duration", "velocity", SUM, "top-1 pitch", "top-5 pitch", "chords", "false chords")

Report = Callable[[str], None]
Figures = Mapping[str, Estimate | None]


@dataclass(frozen=True, slots=True)
class Plan:
    """Whom to compare, and on what. `files`: of each validation split, evenly spread; None: all of them.

    `windows`: notes that are foreseen after each of CONTEXTS. `prompts`: places to play on from.
    """

    models: tuple[str, ...]
    corpora: tuple[Path, ...]
    files: int | None = None
    windows: int = 2000
    prompts: int = 200
    seed: int = 42
    cache: Path = CACHE


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """How one of those compared did. `network`: of its model, or FLOOR; `hash`: of its file, empty for a floor.

    `figures`: nats a note, and shares; `contexts`: the same after so many notes. `sums`: pitch + step + duration of
    each file, what differences are taken of. `played`: what it played, where it plays.
    """

    name: str
    network: str
    hash: str
    figures: Figures
    contexts: Mapping[int, Figures]
    sums: Numbers = field(repr=False)
    played: Played | None = None
    loops: tuple[Loops, ...] = ()


@dataclass(frozen=True, slots=True)
class Comparison:
    """How one did against another, on the same files.

    `lower`: how much lower the sum of pitch, step and duration is, as a share of the other's. `closer`: how much more
    of each distribution what is played has in common with what truly came, where both play.
    """

    name: str
    against: str
    lower: Estimate | None
    closer: Mapping[str, Estimate | None]


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """What came of comparing on one corpus. `before`, `true`: the music before the prompts, and how it went on."""

    corpus: str
    files: int
    notes: int
    windows: int
    prompts: int
    rows: tuple[Row, ...]
    comparisons: tuple[Comparison, ...]
    before: Played | None
    true: Played | None


def evaluate(plan: Plan, report: Report) -> Iterator[Evaluation]:
    """Compare as planned, a corpus after the other; `report` a line of progress now and then.

    Raises ModelError for a model that is not there, CorpusError for a corpus without music to learn or to hold out.
    """
    models = named([load(find(model)) for model in plan.models], plan.models)
    corpora = [read(folder, plan.cache) for folder in plan.corpora]
    yield from (_on(corpus, models, plan, report) for corpus in corpora)


def named(models: Sequence[Weights], arguments: Sequence[str]) -> dict[str, Weights]:
    """Return the models by what to call them: their file's name, with its folder's where two are called the same."""
    known: dict[str, Weights] = {}
    hashes = {weights.hash: (weights, argument) for weights, argument in zip(models, arguments, strict=True)}
    count = Counter(weights.name for weights, _ in hashes.values())
    for weights, argument in hashes.values():
        folder = Path(argument).expanduser().absolute().parent.name
        name = weights.name if count[weights.name] == 1 or argument == weights.name else f"{folder}/{weights.name}"
        known[name if name not in known else f"{name} {weights.hash[:8]}"] = weights
    return known


def figures(answer: Foreseen, chord: NDArray[np.bool_], files: Indices, chosen: Numbers) -> dict[str, Estimate | None]:
    """Return what the answer comes to, over `files` (n, the file of each note). `chord` (n): which are chord notes."""

    def over(
        values: NDArray[np.floating] | NDArray[np.bool_], which: NDArray[np.bool_] | None = None
    ) -> Estimate | None:
        known = np.isfinite(values) if which is None else which
        sums, counts = (_by_file(each, files, chosen) for each in (np.where(known, values, 0), known))
        return ratio(sums, counts, chosen)

    nats = (answer.pitch, answer.step, answer.duration, answer.velocity, whole(answer))
    shares = (answer.top_1, answer.top_5)
    found = [over(values) for values in (*nats, *shares)]
    chords = [over(answer.chord, which) for which in (chord, ~chord)]
    return dict(zip(FIGURES, [*found, *chords], strict=True))


def whole(answer: Foreseen) -> NDArray[np.float64]:
    """Return the nats of pitch, step and duration of each note together."""
    return answer.pitch.astype(np.float64) + answer.step + answer.duration


def _by_file(values: NDArray[np.floating] | NDArray[np.bool_], files: Indices, chosen: Numbers) -> Numbers:
    return np.bincount(files, values, minlength=chosen.shape[1]).astype(np.float64)


def _on(corpus: Corpus, models: Mapping[str, Weights], plan: Plan, report: Report) -> Evaluation:
    these = questions(corpus, VALIDATION, plan.files, CONTEXTS, plan.windows)
    training = Music.of([corpus], TRAIN, CONTEXT + 1)
    if not len(these.music.starts) or not len(training.starts):
        kind = "held out" if len(training.starts) else "to learn from"
        raise CorpusError(f"{corpus.name}: no file of more than {CONTEXT} notes {kind}")
    report(f"{corpus.name}: {len(these.targets):,} notes of {len(these.music.starts)} held-out files")
    if len(these.music.starts) == 1:
        report("  one file alone: the intervals say nothing")
    chosen = draws(len(these.music.starts), plan.seed)
    places = prompts(these.music, plan.prompts)
    rows = []
    for name, floor in FLOORS.items():
        report(f"  {name}: counting")
        rows.append(_row(name, FLOOR, "", floor(Passages.of_music(training)), these, chosen))
    for name, weights in models.items():
        report(f"  {name}: foreseeing")
        row = _row(name, weights.card.network, weights.hash, predictor(weights, training), these, chosen)
        report(f"  {name}: playing")
        rows.append(_playing(row, weights, places, chosen, plan.seed))
    return Evaluation(
        corpus=corpus.name,
        files=len(these.music.starts),
        notes=len(these.targets),
        windows=len(these.files),
        prompts=0 if places is None else len(places.files),
        rows=tuple(rows),
        comparisons=tuple(compared(rows, chosen)),
        before=None if places is None else measured(places.before, places, chosen),
        true=None if places is None else measured(places.after, places, chosen),
    )


def _row(name: str, network: str, digest: str, somebody: Predictor, these: Questions, chosen: Numbers) -> Row:
    """Return how somebody foresaw the notes in question."""
    answers = somebody.foresee(these)
    target, files = these.music.notes[these.targets], these.target_files
    return Row(
        name,
        network,
        digest,
        figures(answers[None], _chords(target), files, chosen),
        {
            before: figures(answers[before], _chords(windows[:, -1]), these.files, chosen)
            for before, windows in these.windows.items()
        },
        _by_file(whole(answers[None]), files, chosen),
    )


def _playing(row: Row, weights: Weights, places: Prompts | None, chosen: Numbers, seed: int) -> Row:
    """Return the row with what the model plays after the prompts."""
    if places is None:
        return row
    played, loops = play(engine_of(weights), places, chosen, seed)
    return replace(row, played=played, loops=tuple(loops))


def compared(rows: Sequence[Row], chosen: Numbers) -> list[Comparison]:
    """Return how much lower each model is than the n-gram, and than each model of the tutorial's network."""
    opponents = [row for row in rows if row.name == N_GRAM or row.network == "tutorial"]
    return [
        Comparison(row.name, other.name, gain(row.sums, other.sums, chosen), _closer(row.played, other.played, chosen))
        for row in rows
        if row.network != FLOOR
        for other in opponents
        if other is not row
    ]


def _closer(own: Played | None, other: Played | None, chosen: Numbers) -> dict[str, Estimate | None]:
    if own is None or other is None:
        return {}
    return {name: mean(shared - other.shared[name], chosen) for name, shared in own.shared.items()}


def _chords(notes: FloatArray) -> NDArray[np.bool_]:
    return np.asarray(time_bins(notes[:, STEP]) < CHORD_CELLS)
