"""What choosing among answers comes to, as tables."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from improv import __version__
from improv.train.choices import ChoicePlan, Choices, Figures, Report, choices
from improv.train.closeness import MANNERS, MEASURES
from improv.train.evaluation_report import Cell, Sheet, plain, share, show, write

_DASH = "\N{EN DASH}"


def choose(plan: ChoicePlan, report: Report, json_file: Path | None, *, as_markdown: bool) -> None:
    """Print what choosing comes to, a corpus after the other, and write it all as JSON. Raises ImprovError."""
    done = []
    for found in choices(plan, report):
        done.append(found)
        show(sheets(found), as_markdown=as_markdown)
        if json_file is not None:
            write(json_file, to_json(done, plan))


def sheets(found: Choices) -> list[Sheet]:
    """Return the tables of a model's choices on a corpus."""
    return [_close(found), _tried(found)]


def _close(found: Choices) -> Sheet:
    title = (
        f"{found.corpus}, {found.model}: {found.prompts} calls of {found.files} files; the best of so many answers:"
        " closeness to the truth and what is gained over one, %; how it behaves, %; seconds of a core until it"
        f" is there (median of {found.timed})"
    )
    columns = ("candidates", *(part for name in MEASURES for part in (name, "gain")), *MANNERS, "seconds")
    rows = [
        [
            Cell(str(row.count)),
            *(share(part[name]) for name in MEASURES for part in (row.close, row.gain)),
            *(share(row.manner[name]) for name in MANNERS),
            Cell(f"{found.seconds[row.count]:.2f}"),
        ]
        for row in found.rows
    ]
    nothing = Cell(_DASH)
    oracle = [cell for name in MEASURES for cell in (nothing, share(found.oracle[name]))]
    rows.append([Cell("by the truth itself"), *oracle, *(nothing for _ in MANNERS), nothing])
    rows.append(
        [Cell("the truth"), *(nothing for _ in oracle), *(share(found.manner[name]) for name in MANNERS), nothing]
    )
    return Sheet(title, columns, rows)


def _tried(found: Choices) -> Sheet:
    most = found.rows[-1]
    every: dict[str, Figures] = {"as played": most.gain, **found.tried}
    rows = [[Cell(name), *(share(own[measure]) for measure in MEASURES)] for name, own in every.items()]
    return Sheet(
        f"{found.corpus}, {found.model}: gains, %, of the best of {most.count} by other scores", ("", *MEASURES), rows
    )


def to_json(found: Sequence[Choices], plan: ChoicePlan) -> str:
    """Return all figures as JSON."""
    report = {
        "improv": __version__,
        "seed": plan.seed,
        "split": plan.split,
        "interval": "95 %, over files",
        "choices": [plain(asdict(each)) for each in found],
    }
    return json.dumps(report, indent=1, allow_nan=False) + "\n"
