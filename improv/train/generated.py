"""What models play after prompts of held-out music, measured against how that music went on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from time import perf_counter

import numpy as np

from improv.predict.continuation import continued
from improv.predict.encoding import STEP, FloatArray
from improv.predict.engine import Engine, Taste
from improv.predict.repetition import IN_A_ROW
from improv.train.bootstrap import Estimate, Numbers, mean, ratio, spread
from improv.train.likeness import SIZES, Counts, circles, histograms, in_a_row, in_key, key, overlap, repeated
from improv.train.passages import CONTEXT, Indices, evenly
from improv.train.sequences import Music

# Notes that come before a prompt's end; an engine hears as many of them as its window has.
HEARD = 100
# Notes of a continuation that are compared with the true one.
COMPARED = 100
# Notes of a continuation in which loops are looked for, and the temperatures at which.
LOOPED = 200
TEMPERATURES = (0.7, 1.0)


@dataclass(frozen=True, slots=True, eq=False)
class Prompts:
    """Places in held-out music: `before` (n, 100, 4), and `after` (n, 100, 4) how it went on; `files` (n): of which."""

    before: FloatArray
    after: FloatArray
    files: Indices


@dataclass(frozen=True, slots=True, eq=False)
class Played:
    """What came of playing after prompts.

    `overlaps`: what the distributions of each quantity have in common with the true continuation's, file by file;
    `pooled`: of all files together. `in_key`: notes in the key of the last 25 notes before. `repeated`: runs of 8 notes
    that were played before. `circles`: how many times in a row some run of at most 8 notes was played, on average, and
    `most_circles` at most. `density`: notes per second of music. `pace`: notes per second of computing, all prompts at
    once. `histograms`: of each quantity, over all. `shared`: the `overlaps` of each file, NaN where it has none.
    """

    overlaps: Mapping[str, Estimate | None]
    pooled: Mapping[str, Estimate | None]
    in_key: Estimate | None
    repeated: Estimate | None
    circles: Estimate | None
    most_circles: int
    density: Estimate | None
    pace: float | None
    histograms: Mapping[str, Counts]
    shared: Mapping[str, Numbers] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Loops:
    """How often a run of 8 notes was played more than four times in a row, in so many continuations of 200 notes.

    `looped`, `most`: as in a jam, where loops are broken (`predict.repetition`); `bare_looped`, `bare_most`: of the
    model alone.
    """

    temperature: float
    runs: int
    looped: int
    most: int
    bare_looped: int
    bare_most: int


def prompts(music: Music, count: int) -> Prompts | None:
    """Return `count` places, evenly spread over the files that are long enough, and over each; None where none is."""
    room = music.ends - music.starts - HEARD - COMPARED
    long = np.flatnonzero(room >= 0)
    if not len(long):
        return None
    chosen = long[evenly(len(long), count)]
    files = np.sort(np.resize(chosen, count))
    # The number of each among the places of its file.
    order = np.arange(count) - np.searchsorted(files, files)
    places = np.searchsorted(files, files, "right") - np.searchsorted(files, files)
    at = music.starts[files] + HEARD + (room[files] * (2 * order + 1)) // (2 * places)
    before = music.notes[at[:, None] + np.arange(-HEARD, 0)]
    return Prompts(before, music.notes[at[:, None] + np.arange(COMPARED)], files)


def play(engine: Engine, these: Prompts, chosen: Numbers, seed: int) -> tuple[Played, list[Loops]]:
    """Return what came of letting `engine` play after the prompts, at each of TEMPERATURES; compared at the last.

    `chosen`: choices of the files (`bootstrap.draws`).
    """
    loops = []
    prompts = list(these.before)
    for temperature in TEMPERATURES:
        taste = Taste(temperature=temperature)
        began = perf_counter()
        notes = continued(engine, prompts, LOOPED, taste, seed)
        pace = notes.shape[0] * notes.shape[1] / (perf_counter() - began)
        bare = continued(engine, prompts, LOOPED, taste, seed, guarded=False)
        loops.append(Loops(temperature, len(notes), *_looped(notes), *_looped(bare)))
    return measured(notes[:, :COMPARED], these, chosen, pace), loops


def _looped(notes: FloatArray) -> tuple[int, int]:
    """Return how many of the continuations (n, 200, 4) loop, and how many times in a row a run comes at most."""
    times = [in_a_row(own) for own in notes]
    return sum(own > IN_A_ROW for own in times), max(times)


def measured(notes: FloatArray, these: Prompts, chosen: Numbers, pace: float | None = None) -> Played:
    """Return how like `notes` (prompts, n, 4) are to what truly came after the prompts."""
    counted = {name: np.zeros((2, chosen.shape[1], size)) for name, size in SIZES.items()}
    sums = {name: np.zeros((2, chosen.shape[1])) for name in ("in_key", "repeated", "circles", "density")}
    most = 1
    for own, before, after, file in zip(notes, these.before, these.after, these.files, strict=True):
        for side, passage in enumerate((own, after)):
            for name, counts in histograms(passage).items():
                counted[name][side, file] += counts
        times = circles(own)
        most = max(most, times)
        figures = {
            "in_key": (in_key(own, key(before[-CONTEXT:])), len(own)),
            "repeated": repeated(own),
            "circles": (times, 1),
            "density": (len(own), float(own[:, STEP].sum())),
        }
        for name, pair in figures.items():
            sums[name][:, file] += pair
    estimates = {name: ratio(own, counts, chosen) for name, (own, counts) in sums.items()}
    shared = {name: overlap(*sides) for name, sides in counted.items()}
    return Played(
        overlaps={name: mean(own, chosen) for name, own in shared.items()},
        pooled={name: _pooled(sides, chosen) for name, sides in counted.items()},
        **estimates,
        most_circles=most,
        pace=pace,
        histograms={name: sides[0].sum(axis=0) for name, sides in counted.items()},
        shared=shared,
    )


def _pooled(sides: Numbers, chosen: Numbers) -> Estimate | None:
    """Return what two sides (2, files, values) have in common, all files of a choice together."""
    common = overlap(chosen @ sides[0], chosen @ sides[1])
    return spread(float(overlap(*sides.sum(axis=1))), common)
