"""`improv bench`: every promised figure, measured on this machine next to the bare machine's own floor.

Nothing here prints: `say` is told of the progress, `show` is given the table.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from improv.errors import ImprovError

if TYPE_CHECKING:  # the processes that measure are in this package too, and have to stay bare
    from rich.table import Table

    from improv.bench.figures import Row

__all__ = ["FULL", "Size", "measure", "run", "run_beat", "run_reading", "run_training", "run_turn_taking"]

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured: rounds, times, seconds. The default takes about four minutes."""

    engine_rounds: int = 6
    starts: int = 10
    idle_s: float = 10.0
    lateness_rounds: int = 5
    lateness_notes: int = 300
    turns: int = 25
    cuts: int = 300
    wire_cuts: int = 200


FULL = Size()


def measure(say: Say, size: Size = FULL) -> "list[Row]":
    """Return all rows. Whatever is started is ended, also when it is interrupted."""
    from improv.bench import engine, jam, lateness, turns
    from improv.bench.figures import not_run

    parts: list[tuple[str, Callable[[], Iterable[Row]]]] = [
        ("engine", lambda: engine.measure(size.engine_rounds, say)),
        ("start", lambda: jam.start(size.starts, say)),
        ("memory and idle", lambda: jam.at_rest(size.idle_s, say)),
        (turns.FIRST, lambda: turns.first_notes(size.turns, say)),
        (turns.PORTS, lambda: turns.cut_in_ports(size.cuts, say)),
        (turns.WIRE, lambda: turns.cut_on_the_wire(size.wire_cuts, say)),
        (lateness.WHAT, lambda: lateness.measure(size.lateness_rounds, size.lateness_notes, say)),
    ]
    rows: list[Row] = []
    for what, part in parts:
        try:
            rows += part()
        except (ImprovError, OSError) as error:
            rows.append(not_run(what, str(error)))
    return rows


def run(
    json_path: Path | None,
    show: Callable[["Table"], None],
    say: Say,
    folder: Path | None = None,
    count: int = 50,
    model: str = "lstm",
) -> int:
    """Measure, show, and write `json_path` if there is one; return the exit code, 0: a missed figure is no error.

    With `folder`, only how well `count` answers of `model` fit calls from its MIDI files. Raises ImprovError.
    """
    from improv.bench import calls

    return _report(
        json_path, show, lambda: measure(say) if folder is None else calls.measure(folder, count, say, model)
    )


def run_reading(json_path: Path | None, show: Callable[["Table"], None], say: Say, corpus: Path, count: int) -> int:
    """Measure how fast a corpus is read, next to pretty_midi on `count` of its files; else as `run`.

    Raises ImprovError, ImportError where reading needs the extra.
    """
    from improv.bench import reading

    return _report(json_path, show, lambda: reading.measure(corpus, count, say))


def run_training(json_path: Path | None, show: Callable[["Table"], None], say: Say, corpus: Path) -> int:
    """Measure how fast the networks train on a corpus; else as `run`. Raises ImprovError."""
    from improv.bench import training

    return _report(json_path, show, lambda: list(training.measure(corpus, say)))


def run_tempo(json_path: Path | None, show: Callable[["Table"], None], say: Say, folder: Path, count: int) -> int:
    """Measure how the beat is heard in `count` performances of a folder; else as `run`. Raises ImprovError."""
    from improv.bench import tempo

    return _report(json_path, show, lambda: list(tempo.measure(folder, count, say)))


def run_beat(json_path: Path | None, show: Callable[["Table"], None], say: Say, answers: int) -> int:
    """Measure how a jam keeps to another's MIDI clock, and so many `answers` to the beat; else as `run`."""
    from improv.bench import beat

    return _report(json_path, show, lambda: list(beat.measure(answers, say)))


def run_turn_taking(
    json_path: Path | None, show: Callable[["Table"], None], say: Say, folders: Sequence[Path], count: int, model: str
) -> int:
    """Measure how a phrase's end is told in `count` performances of each folder; else as `run`. Raises ImprovError."""
    from improv.bench import turn_report

    if json_path is not None:
        _write(json_path, "")
    report = turn_report.measure(folders, count, say, model)
    for table in report.tables():
        show(table)
    if json_path is not None:
        _write(json_path, report.to_json())
    return 0


def _report(json_path: Path | None, show: Callable[["Table"], None], measured: Callable[[], "list[Row]"]) -> int:
    from improv.bench.figures import Verdict
    from improv.bench.report import render, to_json

    if json_path is not None:
        _write(json_path, "")  # better to hear now than in minutes that it cannot be written
    rows = measured()
    show(render(rows))
    if json_path is not None:
        _write(json_path, to_json(rows))
    return 1 if all(row.verdict is Verdict.NOT_RUN for row in rows) else 0


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ImprovError(f"{path}: {error.strerror}") from error
