"""What the memory is worth, as tables for a person and as JSON for a program."""

import json
import platform
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console

from improv import __version__
from improv.errors import ImprovError
from improv.train.bootstrap import Estimate
from improv.train.evaluation_report import Cell, Sheet, markdown, render
from improv.train.memory_gain import HEARD, PHRASE, WORSE, Gain, MemoryGain, MemoryPlan, Report, memory_gains, together

_WIDE = 180
_COLUMNS = (
    "notes heard",
    "pieces",
    "phrases",
    "pitch, bare",
    "with memory",
    "step, bare",
    "with memory",
    "pitch: gain",
    "step: gain",
    "both: gain",
    f"worse than {-WORSE:g}, %",
)


def sheets(measured: Sequence[MemoryGain]) -> Iterator[Sheet]:
    """Yield the tables: one a corpus, the corpora together, the cost."""
    for each in measured:
        title = (
            f"{each.corpus}: nats a note of the next {PHRASE}, without and with memory (lower is better), and the gain"
        )
        yield Sheet(title, _COLUMNS, [_row(gain) for gain in each.gains])
    found = {heard: together(list(measured), heard) for heard in HEARD}
    rows = [[Cell(str(heard)), _gain(gain)] for heard, gain in found.items() if gain is not None]
    title = f"All {len(measured)} sets, each counting alike"
    if len(measured) > 1 and rows:
        yield Sheet(title, ("notes heard", "both: gain"), rows)
    costs = [(each.corpus, each.cost) for each in measured if each.cost is not None]
    if costs:
        columns = ("", "remembered", "learn a note", "mix into a drawn note", "a step of the network, beside it")
        times = [
            [
                Cell(name),
                Cell(f"{cost.remembered:,}"),
                *(Cell(f"{each:.3f}") for each in (cost.learning_ms, cost.mixing_ms, cost.engine_ms)),
            ]
            for name, cost in costs
        ]
        yield Sheet("Cost on this machine, ms (median)", columns, times)


def measure(plan: MemoryPlan, say: Report, files: Sequence[Path], *, as_markdown: bool) -> None:
    """Measure as planned, print the tables, and write the figures as JSON to each of `files`. Raises ImprovError."""
    measured = list(memory_gains(plan, say))
    tables = list(sheets(measured))
    if as_markdown:
        print("\n".join(map(markdown, tables)))  # noqa: T201
    else:
        console = Console(highlight=False)
        if not console.is_terminal:
            console.width = _WIDE
        for sheet in tables:
            console.print(render(sheet))
    keep(measured, plan, files)


def keep(measured: Sequence[MemoryGain], plan: MemoryPlan, files: Sequence[Path]) -> None:
    """Write the figures as JSON to each of `files`. Raises ImprovError."""
    for file in files:
        try:
            file.write_text(to_json(measured, plan), encoding="utf-8")
        except OSError as error:
            raise ImprovError(f"{file}: cannot be written: {error.strerror}") from error


def to_json(measured: Sequence[MemoryGain], plan: MemoryPlan) -> str:
    """Return all figures as JSON."""
    report = {
        "improv": __version__,
        "python": platform.python_version(),
        "model": plan.model,
        "places": plan.places,
        "seed": plan.seed,
        "phrase": PHRASE,
        "interval": "95 %, over files",
        "corpora": [
            {
                "corpus": each.corpus,
                "phrases": [_plain(gain) for gain in each.gains],
                "cost": each.cost
                and {
                    "remembered": each.cost.remembered,
                    "learning_ms": each.cost.learning_ms,
                    "mixing_ms": each.cost.mixing_ms,
                    "engine_ms": each.cost.engine_ms,
                },
            }
            for each in measured
        ],
        "together": {
            heard: _interval(gain) for heard in HEARD if (gain := together(list(measured), heard)) is not None
        },
    }
    return json.dumps(report, indent=1, allow_nan=False) + "\n"


def _row(gain: Gain) -> list[Cell]:
    nats = (gain.bare["pitch"], gain.mixed["pitch"], gain.bare["step"], gain.mixed["step"])
    return [
        *(Cell(f"{count:,}") for count in (gain.heard, gain.pieces, gain.phrases)),
        *(Cell(f"{each:.3f}") for each in nats),
        *(_gain(gain.gains[name]) for name in ("pitch", "step", "both")),
        Cell(f"{100 * gain.worse:.1f}"),
    ]


def _gain(estimate: Estimate | None) -> Cell:
    if estimate is None:
        return Cell("\N{EN DASH}")
    return Cell(f"{estimate.value:.3f}", f"{estimate.low:.3f} to {estimate.high:.3f}")


def _plain(gain: Gain) -> dict[str, object]:
    return {
        "heard": gain.heard,
        "pieces": gain.pieces,
        "phrases": gain.phrases,
        "bare": gain.bare,
        "mixed": gain.mixed,
        "gains": {name: _interval(each) for name, each in gain.gains.items()},
        "worse": gain.worse,
    }


def _interval(estimate: Estimate | None) -> list[float] | None:
    return None if estimate is None else [estimate.value, estimate.low, estimate.high]
