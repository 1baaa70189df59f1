"""Pictures of the offline side: piano rolls, distributions, and how a training went."""

import csv
from collections.abc import Mapping, Sequence
from itertools import cycle
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from improv.drawing import COLOURS, HUMAN, INK, LINE, Part, bare, legend, roll, sheet, tonics
from improv.errors import CorpusError
from improv.events import Note
from improv.predict.encoding import DURATION, PITCH, STEP, VELOCITY, FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from improv.train.tutorial import Notes

_DROP_PERCENTILE = 2.5
_TIME_BINS = 60
_VELOCITY_BIN = 4
_HEIGHT_PX = 560
_PANELS = {PITCH: "pitch", STEP: "step (s)", DURATION: "duration (s)", VELOCITY: "velocity"}
# What may be along the axis of a training, the first that there is; the others are no curves.
_ALONG = ("epoch", "notes", "step", "batch")
_TRAINING, _HELD_OUT = "training", "held-out"
_MOST_COLUMNS = 3
_FEW = 40


def plot_piano_roll(notes: "Notes", count: int | None = None, title: str | None = None) -> "Figure":
    """Return the piano roll of the first `count` notes of the tutorial's table, or of the whole track."""
    shown = notes[:count]
    start = shown["start"][0]
    played = [Note(int(n["pitch"]), 1, float(n["start"] - start), float(n["duration"])) for n in shown]
    return roll(
        [Part(f"{len(played)} notes", HUMAN, played)], title or ("whole track" if count is None else "piano roll")
    )


def plot_distributions(notes: "Notes", title: str = "distributions") -> "Figure":
    """Return how often each pitch, step and duration occurs in the tutorial's table of notes."""
    rows = np.full((len(notes), VELOCITY + 1), np.nan, np.float32)
    rows[:, PITCH], rows[:, STEP], rows[:, DURATION] = notes["pitch"], notes["step"], notes["duration"]
    return distributions([(f"{len(notes)} notes", rows)], title)


def distributions(samples: Sequence[tuple[str, FloatArray]], title: str) -> "Figure":
    """Return how often each pitch, step, duration and velocity occurs: a colour for each of up to four `samples`.

    A sample is a label, and notes (n >= 1, 4); without velocities (NaN) there is no panel for them. Times end where
    2.5 % of the notes have longer ones, as in the tutorial.
    """
    columns = [column for column in _PANELS if not any(np.isnan(rows[:, column]).any() for _, rows in samples)]
    figure = sheet(title, _HEIGHT_PX)
    for axes, column in zip(figure.subplots(1, len(columns)), columns, strict=True):
        values = [rows[:, column] for _, rows in samples]
        bins = _bins(column, values)
        for colour, each in zip(COLOURS, values, strict=False):
            share = np.full(len(each), 100 / len(each))
            if len(values) == 1:
                axes.hist(each, bins, weights=share, color=colour)
            else:
                axes.hist(each, bins, weights=share, color=colour, histtype="stepfilled", alpha=0.25)
                axes.hist(each, bins, weights=share, color=colour, histtype="step", linewidth=1.5)
        _label(axes, _PANELS[column], "% of the notes" if column == columns[0] else "")
        axes.set_xlim(bins[0], bins[-1])
        if column == PITCH:
            named = tonics(ceil(bins[0]), ceil(bins[-1]))
            axes.set_xticks(list(named), list(named.values()))
    legend(figure, [(label, colour) for (label, _), colour in zip(samples, COLOURS, strict=False)])
    return figure


def plot_loss(history: Sequence[Mapping[str, float]], title: str = "training") -> "Figure":
    """Return the curves of a training: a panel for each loss, a colour for what was trained on and for each held out.

    A row of `history` has an epoch (or notes, step, batch), and other numbers by name: `loss`, `pitch_loss`; of what
    was held out `val`, `val_pitch_loss`, or `held-out CORPUS pitch`. One that is missing or NaN is left out.
    """
    along = next((name for name in _ALONG if any(name in row for row in history)), "row")
    panels: dict[str, list[tuple[str, str]]] = {}
    for name in dict.fromkeys(name for row in history for name in row if name not in _ALONG):
        panel, label = _curve_of(name)
        panels.setdefault(panel, []).append((name, label))
    # What was trained on comes first, wherever it stands.
    labels = dict.fromkeys([_TRAINING, *(label for curves in panels.values() for _, label in curves)])
    colours = dict(zip(labels, cycle(COLOURS), strict=False))
    rows = ceil(len(panels) / _MOST_COLUMNS)
    columns = ceil(len(panels) / rows)
    figure = sheet(title, _HEIGHT_PX if rows == 1 else rows * 400)
    places = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, (panel, curves) in zip(places, panels.items(), strict=False):
        for name, label in curves:
            _draw_curve(axes, history, along, name, colours[label])
        _label(axes, along, panel)
    for axes in places[len(panels) :]:
        axes.set_visible(False)
    drawn = {label for curves in panels.values() for _, label in curves}
    legend(figure, [(label, colour) for label, colour in colours.items() if label in drawn])
    return figure


def read_history(path: Path) -> list[dict[str, float]]:
    """Return the history that a training wrote, a row for each time it did: what is no number is left out.

    Lines are `…,name,value`, one for each number, or have a column for each. Raises CorpusError where there is nothing.
    """
    rows: dict[tuple[str, ...], dict[str, float]] = {}
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            for at, line in enumerate(csv.DictReader(lines)):
                name, value = line.pop("name", None), line.pop("value", None)
                numbers = {key: number for key, text in line.items() if (number := _number(text)) is not None}
                when = tuple(map(str, line.values())) if name else (str(at),)
                rows.setdefault(when, numbers)
                if name and (number := _number(value)) is not None:
                    rows[when][name] = number
    except (OSError, ValueError, csv.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise CorpusError(f"{path}: no history of a training: {reason}") from error
    history = list(rows.values())
    if not any(name not in _ALONG for row in history for name in row):
        raise CorpusError(f"{path}: no history of a training, or an empty one")
    return history


def _number(text: object) -> float | None:
    try:
        return float(str(text))
    except ValueError:
        return None


def _curve_of(name: str) -> tuple[str, str]:
    """Return the panel of a curve, and what it was measured on."""
    if name.startswith(f"{_HELD_OUT} "):
        corpus, _, part = name.removeprefix(f"{_HELD_OUT} ").rpartition(" ")
        return _panel(part), f"held out: {corpus}" if corpus else "held out"
    if name == "val" or name.startswith("val_"):
        return _panel(name.removeprefix("val").removeprefix("_")), "held out"
    return _panel(name), _TRAINING


def _panel(name: str) -> str:
    part = name.removesuffix("loss").rstrip("_ ")
    return f"{part} loss" if part else "loss"


def _draw_curve(axes: "Axes", history: Sequence[Mapping[str, float]], along: str, name: str, colour: str) -> None:
    from matplotlib.ticker import MaxNLocator  # noqa: PLC0415

    points = [(row.get(along, at), row[name]) for at, row in enumerate(history) if np.isfinite(row.get(name, np.nan))]
    # A point where there are few: a line of one would not be seen.
    marker = "o" if len(points) < _FEW else ""
    x, y = zip(*points, strict=True) if points else ((), ())
    axes.plot(x, y, color=colour, marker=marker, markersize=4, linewidth=1.8)
    if all(float(value).is_integer() for value in x):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _bins(column: int, values: Sequence[FloatArray]) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    low, high = min(float(each.min()) for each in values), max(float(each.max()) for each in values)
    if column == PITCH:
        return np.arange(low, high + 2) - 0.5
    if column == VELOCITY:
        return np.arange(0, 128 + _VELOCITY_BIN, _VELOCITY_BIN, dtype=np.float64)
    longest = max(float(np.percentile(each, 100 - _DROP_PERCENTILE)) for each in values)
    return np.linspace(0, max(longest, 0.01), _TIME_BINS + 1)


def _label(axes: "Axes", x: str, y: str) -> None:
    bare(axes)
    axes.set_xlabel(x, color=INK, fontsize=11)
    axes.set_ylabel(y, color=INK, fontsize=11)
    axes.grid(axis="y", color=LINE, linewidth=0.8)
