"""What our pictures share: their colours, and the piano roll. Matplotlib takes half a second to load, so late."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

from improv.events import Note

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Legible for most colour-blind eyes too: they differ in lightness.
HUMAN, MACHINE = "#f2a541", "#4cc9f0"
# Two more, where as many files are compared.
COLOURS = (HUMAN, MACHINE, "#d67ab1", "#9bc53d")
PAPER, STAFF, LINE, INK = "#12141c", "#191c27", "#2b3040", "#c9cede"
_DPI = 100
_WIDTH_PX, _HEIGHT_PX = 1600, 700
_ROW_PX = 380
# Seconds in a row, and rows in a picture; a longer session is drawn smaller.
_ROW_S = 75.0
_MOST_ROWS = 6
_CROWDED_S = 240.0
_BLACK_KEYS = {1, 3, 6, 8, 10}
# Notes thinner or shorter than this are hard to see.
_THINNEST_PX = 5.0
_SHORTEST_PX = 3.0
_FAINTEST = 0.4
# Room above the notes for the labels of the shades, in semitones.
_HEADROOM = 6


@dataclass(frozen=True, slots=True)
class Part:
    """Notes in one colour; `label` is what the legend says of them."""

    label: str
    colour: str
    notes: Sequence[Note]


@dataclass(frozen=True, slots=True)
class Shade:
    """A span of time (seconds) that stands out, with a few letters at its beginning."""

    start: float
    end: float
    label: str


def roll(parts: Sequence[Part], title: str, shades: Sequence[Shade] = ()) -> "Figure":
    """Return the piano roll of `parts`, 1600 pixels wide, from second 0 on; at least one note in all."""
    notes = [note for part in parts for note in part.notes]
    end = max(note.onset + note.duration for note in notes)
    rows = min(_MOST_ROWS, max(1, ceil(end / _ROW_S)))
    seconds = max(end, 1.0) / rows
    height = max(_HEIGHT_PX, rows * _ROW_PX)
    figure = sheet(title, height)
    pitches = [note.pitch for note in notes]
    lowest, highest = min(pitches) - 2, max(pitches) + _HEADROOM
    loudest = max(note.velocity for note in notes)
    thickness = max(0.9, _THINNEST_PX * (highest - lowest) * rows / (height - 100))
    for row, axes in enumerate(figure.subplots(rows, 1, squeeze=False)[:, 0]):
        _rule(axes, lowest, highest)
        left, right = row * seconds, (row + 1) * seconds
        here = [shade for shade in shades if shade.end >= left and shade.start <= right]
        _shade(axes, here, highest, labelled=seconds < _CROWDED_S)
        for part in parts:
            _notes(axes, part, thickness, seconds * _SHORTEST_PX / _WIDTH_PX, loudest)
        axes.set_xlim(left, right)
        axes.set_ylim(lowest, highest)
    axes.set_xlabel("seconds", color=INK, fontsize=11)
    legend(figure, [(part.label, part.colour) for part in parts])
    return figure


def sheet(title: str, height_px: int) -> "Figure":
    """Return an empty picture, 1600 pixels wide."""
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(_WIDTH_PX / _DPI, height_px / _DPI), dpi=_DPI, facecolor=PAPER, layout="constrained")
    figure.get_layout_engine().set(h_pad=0.08, w_pad=0.12)  # type: ignore[union-attr, call-arg]
    figure.suptitle(title, x=0.035, ha="left", color=INK, fontsize=13, parse_math=False)
    return figure


def legend(figure: "Figure", entries: Sequence[tuple[str, str]]) -> None:
    """Name the colours of a picture, beside its title: (label, colour)."""
    from matplotlib.patches import Patch  # noqa: PLC0415

    found = figure.legend(
        handles=[Patch(color=colour, label=label) for label, colour in entries],
        loc="upper right",
        ncols=len(entries),
        frameon=False,
        labelcolor=INK,
        fontsize=11,
    )
    for text in found.get_texts():
        text.set_parse_math(False)  # file names have their dollars


def bare(axes: "Axes") -> None:
    """Give axes our paper and ink, and nothing around them."""
    axes.set_facecolor(STAFF)
    axes.tick_params(colors=INK, length=0, labelsize=11, pad=6)
    axes.set_axisbelow(True)
    for spine in axes.spines.values():
        spine.set_visible(False)


def tonics(lowest: int, highest: int) -> dict[int, str]:
    """Return the C's from `lowest` to below `highest`, with their names."""
    return {pitch: f"C{pitch // 12 - 1}" for pitch in range(lowest, highest) if pitch % 12 == 0}


def _rule(axes: "Axes", lowest: int, highest: int) -> None:
    """Draw the keyboard behind the notes, and name its C's."""
    bare(axes)
    for pitch in range(lowest, highest):
        if pitch % 12 in _BLACK_KEYS:
            axes.axhspan(pitch - 0.5, pitch + 0.5, color=PAPER, linewidth=0, alpha=0.5, zorder=0)
        if pitch % 12 == 0:
            axes.axhline(pitch - 0.5, color=LINE, linewidth=1.2, zorder=1)
    named = tonics(lowest, highest)
    axes.set_yticks(list(named), list(named.values()))
    axes.grid(axis="x", color=LINE, linewidth=0.8, zorder=1)


def _shade(axes: "Axes", shades: Iterable[Shade], top: int, *, labelled: bool) -> None:
    """Shade spans of time, and label them where there is room."""
    for shade in shades:
        axes.axvspan(shade.start, shade.end, color=MACHINE, alpha=0.09, linewidth=0, zorder=1)
        if not labelled:
            continue
        axes.annotate(
            shade.label,
            (shade.start, top),
            xytext=(4, -4),
            textcoords="offset points",
            va="top",
            color=MACHINE,
            fontsize=10,
            annotation_clip=True,
            clip_on=True,
        )


def _notes(axes: "Axes", part: Part, thickness: float, shortest: float, loudest: int) -> None:
    """Draw notes of a `thickness` in semitones, `shortest` in seconds; the louder the brighter."""
    from matplotlib.collections import PolyCollection  # noqa: PLC0415
    from matplotlib.colors import to_rgba  # noqa: PLC0415

    boxes, colours = [], []
    for note in part.notes:
        left, right = note.onset, note.onset + max(note.duration, shortest)
        low, high = note.pitch - thickness / 2, note.pitch + thickness / 2
        boxes.append([(left, low), (left, high), (right, high), (right, low)])
        colours.append(to_rgba(part.colour, _FAINTEST + (1 - _FAINTEST) * note.velocity / loudest))
    axes.add_collection(PolyCollection(boxes, facecolors=colours, edgecolors=PAPER, linewidths=0.4, zorder=3))
