"""Evaluations as pictures: what hearing more is worth, and what is played against what is true."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from improv.errors import ImprovError
from improv.predict.bins import CELLS, EDGES_S
from improv.predict.grid import VELOCITY_WIDTH
from improv.train.evaluate import SUM, Evaluation
from improv.train.generated import COMPARED
from improv.train.likeness import SIZES, Counts

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

_DPI = 100
# Told apart by most eyes (Okabe and Ito); black is the truth.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#999999")
_BESIDE = 1.05
_CLASS_NAMES = ("C", "C♯", "D", "E♭", "E", "F", "F♯", "G", "A♭", "A", "B♭", "B")
_PARTS = ("pitch", "step", "duration", "velocity", SUM)


def draw(evaluation: Evaluation, folder: Path) -> list[Path]:
    """Draw an evaluation into PNG files in `folder`, and return them. Raises ImprovError if they cannot be written."""
    pictures = {"context": contexts(evaluation)}
    if evaluation.true is not None:
        pictures["played"] = played(evaluation)
    files = []
    for name, figure in pictures.items():
        file = folder / f"{evaluation.corpus}-{name}.png"
        try:
            figure.savefig(file, format="png")
        except OSError as error:
            raise ImprovError(f"{file}: cannot be written: {error.strerror or error}") from error
        files.append(file)
    return files


def contexts(evaluation: Evaluation) -> "Figure":
    """Return a picture of nats a note against the number of notes heard, for each part of a note."""
    figure, panels = _panels(
        f"{evaluation.corpus}: nats of the same {evaluation.windows:,} notes, by how many before them are heard"
    )
    for part, axes in zip(_PARTS, panels, strict=False):
        for at, (row, colour) in enumerate(zip(evaluation.rows, _COLOURS * 3, strict=False)):
            known = {length: own[part] for length, own in row.contexts.items() if own[part] is not None}
            values = np.array([(each.value, each.low, each.high) for each in known.values() if each is not None])
            if len(values):
                away = np.abs(values[:, 1:] - values[:, :1]).T
                # Beside each other, so that the intervals can be told apart.
                places = np.array(list(known)) * _BESIDE ** (at - len(evaluation.rows) / 2)
                axes.errorbar(places, values[:, 0], away, color=colour, label=row.name, marker="o", capsize=3)
        axes.set_xscale("log")
        lengths = list(evaluation.rows[0].contexts)
        axes.set_xticks(lengths, [str(length) for length in lengths])
        axes.minorticks_off()
        axes.set_title(part)
        axes.set_xlabel("notes heard")
    panels[0].set_ylabel("nats a note")
    _legend(panels)
    return figure


def played(evaluation: Evaluation) -> "Figure":
    """Return a picture of the distributions of what is played, and of how the music went on."""
    figure, panels = _panels(
        f"{evaluation.corpus}: {COMPARED} notes after each of {evaluation.prompts} prompts, and how they went on"
    )
    rows = [(row.name, row.played) for row in evaluation.rows if row.played is not None]
    for name, axes in zip(SIZES, panels, strict=False):
        if evaluation.true is not None:
            _steps(axes, name, evaluation.true.histograms[name], "how it went on", "black")
        # The first colours are the floors', as in the other picture.
        colours = _COLOURS[len(evaluation.rows) - len(rows) :] + _COLOURS
        for (label, own), colour in zip(rows, colours, strict=False):
            _steps(axes, name, own.histograms[name], label, colour)
        axes.set_title(name)
        axes.set_ylim(bottom=0)
    panels[0].set_ylabel("share")
    _legend(panels)
    return figure


def _steps(axes: "Axes", name: str, counts: Counts, label: str, colour: str) -> None:
    """Draw a distribution; a time's as shares of a cell of 10 ms, over time on a scale that shows the short ones."""
    if not counts.sum():
        return
    shares = counts / counts.sum()
    edges: NDArray[np.floating] = np.arange(len(counts) + 1) - 0.5
    if name in {"step", "duration"}:
        shares, edges = shares / CELLS, EDGES_S
        axes.set_xscale("symlog", linthresh=0.1)
        axes.set_xticks([0, 0.1, 1, 8], ["0", "0.1", "1", "8 s"])
        axes.set_yscale("symlog", linthresh=0.01)
        axes.set_ylabel("share of 10 ms")
    elif name == "velocity":
        edges = np.arange(len(counts) + 1.0) * VELOCITY_WIDTH
    elif name == "pitch class":
        axes.set_xticks(range(len(counts)), _CLASS_NAMES)
    else:
        axes.set_xticks(range(0, len(counts), 4))
    axes.stairs(shares, edges, color=colour, label=label, linewidth=1.6)


def _panels(title: str) -> tuple["Figure", list["Axes"]]:
    # Here, because it takes half a second to load.
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(16, 9), dpi=_DPI, layout="constrained")
    figure.suptitle(title, fontsize=13)
    panels = list(figure.subplots(2, 3).flat)
    for axes in panels:
        axes.grid(alpha=0.3)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    return figure, panels


def _legend(panels: list["Axes"]) -> None:
    """Put the legend where the sixth panel would be."""
    handles, labels = panels[0].get_legend_handles_labels()
    panels[-1].axis("off")
    panels[-1].legend(handles, labels, loc="center", frameon=False, fontsize=12)
