"""What is measured, as values: percentiles, the reach of a figure, and whether it was met. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

PERCENTILES = (50, 90, 99)

Values = Mapping[str, float]


class Verdict(StrEnum):
    """What became of a figure."""

    MET = "met"
    MISSED = "missed"
    FLOOR_MISSED = "missed, and the bare machine misses it too"
    NOT_RUN = "not run"
    SHOWN = ""  # nothing was promised


@dataclass(frozen=True, slots=True)
class Limit:
    """A promise: `statistic` of the values is at most `bound`, or with `least` at least that."""

    statistic: str
    bound: float
    least: bool = False

    def holds(self, values: Values) -> bool:
        """Return whether `values` keep the promise; values without the statistic do not."""
        value = values.get(self.statistic)
        if value is None:
            return False
        return value >= self.bound if self.least else value <= self.bound


@dataclass(frozen=True, slots=True)
class Row:
    """One figure. `floor`: the same statistics of the bare machine in the same run; `note`: what a reader must know."""

    what: str
    unit: str = ""
    values: Values = field(default_factory=dict)
    floor: Values = field(default_factory=dict)
    limits: tuple[Limit, ...] = ()
    note: str = ""
    verdict: Verdict = Verdict.SHOWN


def judged(row: Row) -> Row:
    """Return `row` with its verdict. A miss is excused only where the floor misses the very same limit."""
    missed = [limit for limit in row.limits if not limit.holds(row.values)]
    if not row.values:
        verdict = Verdict.NOT_RUN
    elif not row.limits:
        verdict = Verdict.SHOWN
    elif not missed:
        verdict = Verdict.MET
    elif all(limit.statistic in row.floor and not limit.holds(row.floor) for limit in missed):
        verdict = Verdict.FLOOR_MISSED
    else:
        verdict = Verdict.MISSED
    return Row(row.what, row.unit, row.values, row.floor, row.limits, row.note, verdict)


def not_run(what: str, why: str) -> Row:
    """Return the row of a figure that could not be measured here."""
    return Row(what, note=why, verdict=Verdict.NOT_RUN)


def percentile(samples: Sequence[float], percent: float) -> float:
    """Return the percentile of `samples` (at least one), between neighbours in proportion."""
    ordered = sorted(samples)
    place = (len(ordered) - 1) * percent / 100
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def spread(samples: Sequence[float]) -> dict[str, float]:
    """Return p50, p90, p99 and max of `samples` (at least one)."""
    values = {f"p{percent}": percentile(samples, percent) for percent in PERCENTILES}
    return values | {"max": max(samples)}


def share_above(samples: Sequence[float], limit: float) -> float:
    """Return the share of `samples` above `limit`, in percent; 0 without samples."""
    return 100 * sum(sample > limit for sample in samples) / len(samples) if samples else 0.0
