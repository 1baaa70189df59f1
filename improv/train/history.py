"""The history of a training, beside its model: tidy rows in a CSV file, and a picture of them.

A row is (notes trained on, passes through the music, name, value). Names: `loss` is the training's own; what begins
with `held-out` are figures on music that is not trained on.
"""

import csv
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from improv.errors import CorpusError
from improv.train import plots

COLUMNS = ("notes", "epoch", "name", "value")
HELD_OUT = "held-out "

Row = tuple[int, float, str, float]


def history_file(out: Path) -> Path:
    """Return where the history of the training of `out` lies."""
    return out.with_suffix(".history.csv")


def read_history(file: Path) -> list[Row]:
    """Return the rows of a history; those that cannot be read are left out. Raises OSError."""
    rows = []
    with file.open(encoding="utf-8", newline="") as lines:
        for line in csv.DictReader(lines):
            # The last one may be torn.
            with suppress(KeyError, TypeError, ValueError):
                rows.append((int(line["notes"]), float(line["epoch"]), line["name"], float(line["value"])))
    return rows


class History:
    """Writes a history, row by row. What cannot be written is lost; training goes on."""

    def __init__(self, out: Path, notes: int) -> None:
        """Go on after `notes`: what an interrupted training wrote beyond its checkpoint, it will write again."""
        self._file = history_file(out)
        rows: list[Row] = []
        if notes:
            with suppress(OSError):
                rows = [row for row in read_history(self._file) if row[0] <= notes]
        with suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with self._file.open("w", encoding="utf-8", newline="") as file:
                csv.writer(file).writerows([COLUMNS, *map(_written, rows)])

    def add(self, notes: int, epoch: float, values: Mapping[str, float]) -> None:
        """Add a row for each of `values`."""
        with suppress(OSError), self._file.open("a", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows(_written((notes, epoch, name, value)) for name, value in values.items())


def _written(row: Row) -> tuple[int, str, str, str]:
    notes, epoch, name, value = row
    return notes, f"{epoch:.4f}", name, f"{value:.6g}"


def draw(out: Path) -> Path | None:
    """Draw the history beside the model `out`; return where, None where there is none. Takes a second."""
    png = out.with_suffix(".loss.png")
    try:
        plots.plot_loss(plots.read_history(history_file(out)), out.stem).savefig(png, format="png")
    except (CorpusError, OSError):
        return None
    return png
