"""Evaluations for a person, as tables on the screen or in Markdown, and for a program, as JSON. No paths in them."""

import json
import math
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from improv import __version__
from improv.errors import ImprovError
from improv.predict.repetition import IN_A_ROW, RUN
from improv.train.bootstrap import Estimate
from improv.train.evaluate import FIGURES, SUM, Evaluation, Figures, Plan
from improv.train.evaluation_plots import draw
from improv.train.generated import COMPARED, LOOPED, Played
from improv.train.likeness import SIZES

if TYPE_CHECKING:
    from rich.table import Table

_DASH = "\N{EN DASH}"
# Columns of a table that nobody's terminal bounds.
_WIDE = 180
_SHARES = frozenset(FIGURES[FIGURES.index(SUM) + 1 :])


@dataclass(frozen=True, slots=True)
class Cell:
    """A figure, and its interval in smaller letters where there is one."""

    value: str
    interval: str = ""


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table, however it will be shown."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]


def sheets(evaluation: Evaluation) -> list[Sheet]:
    """Return the tables of an evaluation."""
    tables = [_foresight(evaluation), _differences(evaluation), _contexts(evaluation)]
    if evaluation.prompts:
        tables += [_likeness(evaluation), _loops(evaluation)]
    return tables


def show(tables: Sequence[Sheet], *, as_markdown: bool) -> None:
    """Print tables: as wide as the terminal, in a file as wide as they are, or for a Markdown document."""
    from rich.console import Console  # noqa: PLC0415

    if as_markdown:
        print("\n".join(map(markdown, tables)), flush=True)  # noqa: T201
        return
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _WIDE
    for sheet in tables:
        console.print(render(sheet))


def prepare(out: Path | None, json_file: Path | None) -> None:
    """Make the folders that `keep` writes to. Raises ImprovError: better now than when all is done."""
    for folder in (out, json_file and json_file.parent):
        if folder is not None:
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise ImprovError(f"{folder}: no folder to write to: {error.strerror}") from error
    if json_file is not None and json_file.is_dir():
        raise ImprovError(f"{json_file}: a folder, and no file to write to")


def keep(evaluations: Sequence[Evaluation], plan: Plan, out: Path | None, json_file: Path | None) -> list[Path]:
    """Write the figures of all evaluations and the pictures of the last, and return the files. Raises ImprovError."""
    files = [file for file in (json_file, out and out / "evaluation.json") if file is not None]
    for file in files:
        write(file, to_json(evaluations, plan))
    return files + (draw(evaluations[-1], out) if out else [])


def write(file: Path, text: str) -> None:
    """Write a file of figures. Raises ImprovError."""
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ImprovError(f"{file}: cannot be written: {error.strerror}") from error


def render(sheet: Sheet) -> "Table":
    """Return a table, ready to print."""
    from rich import box  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=box.SIMPLE, title=Text(sheet.title), title_justify="left", title_style="bold", pad_edge=False)
    for at, title in enumerate(sheet.columns):
        table.add_column(Text(title), justify="right" if at else "left", overflow="fold")
    for row in sheet.rows:
        cells = []
        for cell in row:
            text = Text(cell.value)
            if cell.interval:
                text.append(f"\n{cell.interval}", style="dim")
            cells.append(text)
        table.add_row(*cells)
    return table


def markdown(sheet: Sheet) -> str:
    """Return a table for a Markdown document."""
    lines = [list(sheet.columns), ["---", *("---:" for _ in sheet.columns[1:])]]
    lines += [
        [f"{cell.value} ({cell.interval})" if cell.interval else cell.value for cell in row] for row in sheet.rows
    ]
    return "\n".join([f"**{sheet.title}**", "", *("| " + " | ".join(line) + " |" for line in lines), ""])


def to_json(evaluations: Iterable[Evaluation], plan: Plan) -> str:
    """Return evaluations as JSON."""
    report = {
        "improv": __version__,
        "python": platform.python_version(),
        "seed": plan.seed,
        "files": plan.files,
        "interval": "95 %, over files",
        "corpora": [plain(asdict(evaluation)) for evaluation in evaluations],
    }
    return json.dumps(report, indent=1, allow_nan=False) + "\n"


def plain(value: Any) -> Any:  # noqa: ANN401 - whatever JSON holds
    """Return a value as JSON has it: six digits, nothing for what is not a number."""
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, Mapping):
        return {str(name): plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value


def _foresight(evaluation: Evaluation) -> Sheet:
    title = (
        f"{evaluation.corpus}: nats a note (lower is better), {evaluation.notes:,} notes of {evaluation.files} files"
    )
    return Sheet(title, ("", *FIGURES), [[Cell(row.name), *_figures(row.figures, FIGURES)] for row in evaluation.rows])


def _figures(figures: Figures, names: Sequence[str]) -> list[Cell]:
    return [share(figures[name]) if name in _SHARES else _number(figures[name]) for name in names]


def _differences(evaluation: Evaluation) -> Sheet:
    rows = [
        [
            Cell(each.name),
            Cell(each.against),
            share(each.lower),
            *(share(each.closer.get(name)) for name in SIZES),
        ]
        for each in evaluation.comparisons
    ]
    title = f"{evaluation.corpus}: {SUM}, lower by %; what is played, closer to how the music went on by % of"
    return Sheet(title, ("", "than", SUM, *SIZES), rows)


def _contexts(evaluation: Evaluation) -> Sheet:
    title = f"{evaluation.corpus}: nats of the same {evaluation.windows:,} notes, by how many before them are heard"
    lengths = list(evaluation.rows[0].contexts)
    rows = [
        [Cell(row.name), Cell(figure), *(_figures(row.contexts[length], (figure,))[0] for length in lengths)]
        for figure in (SUM, *FIGURES[: FIGURES.index(SUM)])
        for row in evaluation.rows
        if row.contexts[lengths[0]][figure] is not None
    ]
    return Sheet(title, ("", "", *map(str, lengths)), rows)


def _likeness(evaluation: Evaluation) -> Sheet:
    title = (
        f"{evaluation.corpus}: {COMPARED} notes after each of {evaluation.prompts} prompts;"
        " what their distributions have in common with the true ones, %"
    )
    columns = ("", *SIZES, "in key, %", "runs again, %", "in a row", "notes/s", "computed, notes/s")
    played = [(row.name, row.played) for row in evaluation.rows]
    played += [("the music before", evaluation.before), ("how it went on", evaluation.true)]
    return Sheet(title, columns, [[Cell(name), *_played(own)] for name, own in played if own is not None])


def _played(own: Played) -> list[Cell]:
    return [
        *(share(own.overlaps[name]) for name in SIZES),
        share(own.in_key),
        share(own.repeated),
        _number(own.circles),
        _number(own.density),
        Cell(_DASH if own.pace is None else f"{own.pace:,.0f}"),
    ]


def _loops(evaluation: Evaluation) -> Sheet:
    title = (
        f"{evaluation.corpus}: continuations of {LOOPED} notes in which {RUN} notes are played more than"
        f" {IN_A_ROW} times in a row"
    )
    rows = [
        [
            Cell(row.name),
            Cell(f"{each.temperature:g}"),
            Cell(f"{each.looped} of {each.runs}"),
            Cell(str(each.most)),
            Cell(f"{each.bare_looped} of {each.runs}"),
            Cell(str(each.bare_most)),
        ]
        for row in evaluation.rows
        for each in row.loops
    ]
    return Sheet(title, ("", "temperature", "as played", "most in a row", "without the guard", "most in a row"), rows)


def _number(estimate: Estimate | None) -> Cell:
    return _cell(estimate, 1, 3)


def share(estimate: Estimate | None) -> Cell:
    """Return a share in percent, with its interval."""
    return _cell(estimate, 100, 1)


def _cell(estimate: Estimate | None, factor: float, digits: int) -> Cell:
    if estimate is None:
        return Cell(_DASH)
    value = format(factor * estimate.value, f".{digits}f")
    # As many digits of the interval as fit in a table of ten columns.
    low, high = (format(factor * each, f".{min(2, digits)}f") for each in (estimate.low, estimate.high))
    return Cell(value, f"{low} to {high}" if estimate.low < 0 else f"{low}{_DASH}{high}")
