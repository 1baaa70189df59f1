"""The figures as a table for a person and as JSON for a program: no host names, no paths."""

import json
import os
import platform
import sys
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from typing import TYPE_CHECKING

from improv.bench.figures import Limit, Row, Values, Verdict

if TYPE_CHECKING:
    from rich.table import Table

_COLOURS = {Verdict.MET: "green", Verdict.MISSED: "bold red", Verdict.FLOOR_MISSED: "yellow", Verdict.NOT_RUN: "dim"}


def render(rows: Iterable[Row]) -> "Table":
    """Return the rows as a table, ready to print."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE, show_lines=True, pad_edge=False, caption=_machine(), caption_justify="left")
    for title in ("what", "here", "bare machine", "reach", ""):
        table.add_column(title, overflow="fold")
    for row in rows:
        what = Text(row.what)
        if row.note:
            what.append(f"\n{row.note}", style="dim")
        verdict = Text(row.verdict.value, style=_COLOURS.get(row.verdict, ""))
        reach = "\n".join(f"{_limit(limit)} {row.unit}".rstrip() for limit in row.limits)
        table.add_row(what, _values(row.values, row.unit), _values(row.floor, row.unit), reach, verdict)
    return table


def to_json(rows: Iterable[Row]) -> str:
    """Return the rows, and what kind of machine they are from, as JSON."""
    report = {
        "python": platform.python_version(),
        "system": sys.platform,
        "processor": platform.machine(),
        "cpus": os.cpu_count(),
        "numpy": version("numpy"),
        "figures": [_facts(row) for row in rows],
    }
    return json.dumps(report, indent=2) + "\n"


def _facts(row: Row) -> dict[str, object]:
    return {
        "what": row.what,
        "unit": row.unit,
        "values": _rounded(row.values),
        "bare": _rounded(row.floor),
        "reach": [_limit(limit) for limit in row.limits],
        "verdict": row.verdict.value,
        "note": row.note,
    }


def _rounded(values: Mapping[str, float]) -> dict[str, float]:
    return {name: float(f"{value:.4g}") for name, value in values.items()}


def _values(values: Values, unit: str) -> str:
    lines = [f"{name} {_number(value)}" for name, value in values.items()]
    return "\n".join(f"{line} {unit}".rstrip() for line in lines)


def _limit(limit: Limit) -> str:
    return f"{limit.statistic} {'≥' if limit.least else '≤'} {limit.bound:g}"


def _number(value: float) -> str:
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"


def _machine() -> str:
    return f"Python {platform.python_version()}, {os.cpu_count()} CPUs, {sys.platform} {platform.machine()}"
