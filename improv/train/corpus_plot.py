"""A corpus as a picture: how its notes' pitches, steps, durations and velocities are distributed, split by split."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from improv.errors import CorpusError
from improv.predict.encoding import DURATION, PITCH, STEP, VELOCITY, FloatArray
from improv.train.corpus import TRAIN, VALIDATION, Corpus

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDTH, _HEIGHT, _DPI = 12.0, 8.0, 100
# Legible for most colour-blind eyes too.
_COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7")
_INK, _LINE = "#333333", "#dddddd"
# Shorter and longer times are in the first and the last bar.
_TIMES_S = np.geomspace(0.005, 20, 73)
_TICKS_S = (0.01, 0.03, 0.1, 0.3, 1, 3, 10)


def draw(corpus: Corpus, png: Path) -> None:
    """Draw `corpus` into the picture `png`. Raises CorpusError where it cannot be written."""
    try:
        png.parent.mkdir(parents=True, exist_ok=True)
        picture(corpus).savefig(png, format="png")
    except OSError as error:
        raise CorpusError(f"{png}: {error.strerror or error}") from error


def picture(corpus: Corpus) -> "Figure":
    """Return the four distributions of `corpus`."""
    # Here, because it takes half a second to load.
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(_WIDTH, _HEIGHT), dpi=_DPI, layout="constrained")
    figure.suptitle(f"{corpus.name} · {len(corpus.names):,} files · {len(corpus.notes):,} notes", color=_INK)
    panels = (
        ("pitch", PITCH, _numbers),
        ("step: seconds since the note before", STEP, _times),
        ("duration in seconds", DURATION, _times),
        ("velocity", VELOCITY, _numbers),
    )
    splits = {
        split: np.concatenate(corpus.files(split))
        for split in sorted(set(corpus.splits), key=lambda split: (split != TRAIN, split != VALIDATION, split))
    }
    for axes, (title, column, fill) in zip(figure.subplots(2, 2).flat, panels, strict=True):
        fill(axes, title, {split: notes[:, column] for split, notes in splits.items()})
        axes.set_title(title, loc="left", color=_INK, fontsize=11)
        axes.set_ylabel("% of the notes", color=_INK)
        axes.grid(axis="y", color=_LINE, linewidth=0.8)
        axes.set_axisbelow(True)
        axes.tick_params(colors=_INK, length=0)
        for side in ("top", "right", "left"):
            axes.spines[side].set_visible(False)
    figure.axes[0].legend(frameon=False, labelcolor=_INK)
    return figure


def _numbers(axes: "Axes", _title: str, columns: dict[str, FloatArray]) -> None:
    """Fill in pitches or velocities: a step a number."""
    edges = np.arange(-0.5, 128.5)
    _fill(axes, edges, columns)
    everything = np.concatenate(list(columns.values()))
    axes.set_xlim(float(everything.min()) - 2, float(everything.max()) + 2)


def _times(axes: "Axes", title: str, columns: dict[str, FloatArray]) -> None:
    """Fill in times on a logarithmic axis; what is struck together stands in the first bar."""
    _fill(axes, _TIMES_S, {split: np.clip(times, _TIMES_S[0], _TIMES_S[-1]) for split, times in columns.items()})
    axes.set_xscale("log")
    axes.set_xlim(_TIMES_S[0], _TIMES_S[-1])
    axes.set_xticks(_TICKS_S, [f"{tick:g}" for tick in _TICKS_S])
    axes.minorticks_off()
    if "step" in title:
        axes.set_xlabel(f"{_TIMES_S[0] * 1000:.0f} ms and less: in the first bar", color=_INK, fontsize=9)


def _fill(axes: "Axes", edges: NDArray[np.float64], columns: dict[str, FloatArray]) -> None:
    for (split, values), colour in zip(columns.items(), _COLOURS * len(columns), strict=False):
        share = 100 * np.histogram(values, edges)[0] / len(values)
        axes.stairs(share, edges, color=colour, fill=split == TRAIN, alpha=0.45 if split == TRAIN else 1.0, label=split)
