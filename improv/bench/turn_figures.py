"""What the turns of an adaptive threshold come to beside those of the fixed ones, as figures. Pure.

A figure over all folders is the mean of theirs: each counts as much as the others. Intervals are from choices of
files within each folder (`train.bootstrap`), the same for all thresholds.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from improv.bench.figures import Limit, Row, judged, percentile
from improv.bench.turn_taking import ADAPTIVE, FIXED_S, NAMES, Corpus
from improv.train.bootstrap import Estimate, Numbers, draws, spread

# What a false takeover may cost, in seconds of dead air.
COSTS_S = (1, 2, 3, 5, 10)
_SEED = 1


@dataclass(frozen=True, slots=True)
class Line:
    """A threshold: false takeovers a call and a minute of playing, seconds of dead air after a call."""

    name: str
    per_call: float
    per_minute: float
    median: float
    mean: float
    p90: float


def lines(corpus: Corpus) -> list[Line]:
    """Return what each threshold comes to in a folder."""
    minutes = sum(file.seconds for file in corpus.files) / 60
    found = []
    for place, name in enumerate(NAMES):
        taken = [file.taken[place] for file in corpus.files]
        waits = [wait for file in taken for wait in file.dead_air]
        takeovers = sum(file.takeovers for file in taken)
        found.append(
            Line(
                name,
                takeovers / len(waits),
                takeovers / minutes,
                percentile(waits, 50),
                sum(waits) / len(waits),
                percentile(waits, 90),
            )
        )
    return found


def lines_of_all(corpora: Sequence[Corpus]) -> list[Line]:
    """Return the means of the folders' lines."""
    by_name = zip(*map(lines, corpora), strict=True)
    return [
        Line(
            same[0].name,
            *(
                float(np.mean([getattr(line, field) for line in same]))
                for field in ("per_call", "per_minute", "median", "mean", "p90")
            ),
        )
        for same in by_name
    ]


@dataclass(frozen=True, slots=True)
class _Means:
    """False takeovers a call, and mean dead air, by threshold: (19,); and of each choice of files: (2000, 19)."""

    takeovers: Numbers
    dead_air: Numbers


def together(corpora: Sequence[Corpus]) -> list[Row]:
    """Return whether the adaptive threshold beats every fixed one on false takeovers and dead air together.

    Three ways to say it, each stricter than a look at one fixed threshold: no fixed one is as good on both; between
    fixed ones (the curve that they lie on) there is none as good; and none costs less, even the one which these very
    files have shown to be the cheapest.
    """
    here, drawn = _means(corpora)
    rows = [_undominated(here, drawn)]
    what = f"{ADAPTIVE} threshold against the curve of the fixed ones"
    rows.append(_row(f"{what}: dead air saved at the same false takeovers", "s", _saved_air(here), _saved_air(drawn)))
    rows.append(
        _row(
            f"{what}: false takeovers a call saved at the same dead air",
            "",
            _saved_takeovers(here),
            _saved_takeovers(drawn),
        )
    )
    for cost in COSTS_S:
        best = FIXED_S[int((here.dead_air + cost * here.takeovers)[0, 1:].argmin())]
        rows.append(
            _row(
                f"saved a call against the best fixed threshold ({best} s), where a false takeover costs {cost} s",
                "s",
                _saved_cost(here, cost),
                _saved_cost(drawn, cost),
            )
        )
    return rows


def _means(corpora: Sequence[Corpus]) -> tuple[_Means, _Means]:
    """Return the means over the folders (1, thresholds), and those of each choice of files (2000, thresholds)."""
    here: list[tuple[Numbers, Numbers]] = []
    drawn: list[tuple[Numbers, Numbers]] = []
    for place, corpus in enumerate(corpora):
        chosen = draws(len(corpus.files), _SEED + place)
        takeovers = np.array([[taken.takeovers for taken in file.taken] for file in corpus.files], float)
        dead_air = np.array([[sum(taken.dead_air) for taken in file.taken] for file in corpus.files])
        count = np.array([[len(file.taken[0].dead_air)] for file in corpus.files], float)
        for means, weights in ((here, np.ones((1, len(count)))), (drawn, chosen)):
            calls = weights @ count
            means.append((weights @ takeovers / calls, weights @ dead_air / calls))
    return _mean(here), _mean(drawn)


def _mean(folders: Sequence[tuple[Numbers, Numbers]]) -> _Means:
    return _Means(*(np.mean(column, axis=0) for column in zip(*folders, strict=True)))


def _undominated(here: _Means, drawn: _Means) -> Row:
    what = f"fixed thresholds of {len(FIXED_S)} that are as good as the {ADAPTIVE} one on both, or better"
    values = {"here": float(_as_good(here)[0]), "most": float(np.percentile(_as_good(drawn), 97.5))}
    return judged(Row(what, "", values, limits=(Limit("most", 0),), note="most: in 97.5 % of choices of files"))


def _as_good(means: _Means) -> Numbers:
    """Return how many fixed thresholds are at least as good on both."""
    fewer = means.takeovers[:, 1:] <= means.takeovers[:, :1]
    sooner = means.dead_air[:, 1:] <= means.dead_air[:, :1]
    return np.asarray((fewer & sooner).sum(axis=1), float)


def _saved_air(means: _Means) -> Numbers:
    """Return how much longer the fixed thresholds wait where they cut in as often as the adaptive one (seconds)."""
    pairs = zip(means.takeovers, means.dead_air, strict=True)
    # Falling with the threshold, and np.interp wants them rising.
    return np.array([np.interp(often[0], often[:0:-1], wait[:0:-1]) - wait[0] for often, wait in pairs])


def _saved_takeovers(means: _Means) -> Numbers:
    """Return how much more often (a call) the fixed thresholds cut in where they wait as long as the adaptive one."""
    pairs = zip(means.takeovers, means.dead_air, strict=True)
    return np.array([np.interp(wait[0], wait[1:], often[1:]) - often[0] for often, wait in pairs])


def _saved_cost(means: _Means, cost: float) -> Numbers:
    """Return what the cheapest fixed threshold costs more than the adaptive one (seconds a call)."""
    costs = means.dead_air + cost * means.takeovers
    return np.asarray(costs[:, 1:].min(axis=1) - costs[:, 0])


def _row(what: str, unit: str, here: Numbers, drawn: Numbers) -> Row:
    estimate = spread(float(here[0]), drawn) or Estimate(*(float("nan"),) * 3)
    values = {"mean": estimate.value, "low": estimate.low, "high": estimate.high}
    note = "low to high: 95 % of choices of files"
    return judged(Row(what, unit, values, limits=(Limit("low", 0, least=True),), note=note))
