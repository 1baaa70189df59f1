"""A session as a picture: a piano roll in two colours."""

from collections.abc import Iterable
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING

from improv.errors import SessionError
from improv.sessions.journal import read
from improv.sessions.score import Answered, Played, Score, score

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Legible for most colour-blind eyes too: they differ in lightness.
_HUMAN, _MACHINE = "#f2a541", "#4cc9f0"
_PAPER, _STAFF, _LINE, _INK = "#12141c", "#191c27", "#2b3040", "#c9cede"
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
_SHORTEST_S = 0.05
_FAINTEST = 0.4
# Room above the notes for the numbers of the answers, in semitones.
_HEADROOM = 6


def draw(journal: Path, png: Path) -> None:
    """Draw the session in `journal` into the picture `png`, 1600 pixels wide. Raises SessionError. Takes a second."""
    figure = picture(score(read(journal)), journal.stem)
    try:
        png.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(png, format="png")
    except OSError as error:
        raise SessionError(f"{png}: {error.strerror or error}") from error


def picture(music: Score, title: str) -> "Figure":
    """Return the piano roll of `music`."""
    # Here, because it takes half a second to load.
    from matplotlib.figure import Figure  # noqa: PLC0415
    from matplotlib.patches import Patch  # noqa: PLC0415

    rows = min(_MOST_ROWS, max(1, ceil(music.end / _ROW_S)))
    seconds = max(music.end, 1.0) / rows
    height = max(_HEIGHT_PX, rows * _ROW_PX)
    figure = Figure(figsize=(_WIDTH_PX / _DPI, height / _DPI), dpi=_DPI, facecolor=_PAPER, layout="constrained")
    figure.get_layout_engine().set(h_pad=0.08, w_pad=0.12)  # type: ignore[union-attr, call-arg]
    pitches = [played.note.pitch for played in (*music.human, *music.machine)]
    lowest, highest = min(pitches) - 2, max(pitches) + _HEADROOM
    loudest = max(played.note.velocity for played in (*music.human, *music.machine))
    thickness = max(0.9, _THINNEST_PX * (highest - lowest) * rows / (height - 100))
    for row, axes in enumerate(figure.subplots(rows, 1, squeeze=False)[:, 0]):
        _rule(axes, lowest, highest)
        left, right = row * seconds, (row + 1) * seconds
        answers = [answer for answer in music.answers if answer.end >= left and answer.start <= right]
        _shade(axes, answers, highest, numbered=seconds < _CROWDED_S)
        _notes(axes, music.human, _HUMAN, thickness, loudest)
        _notes(axes, music.machine, _MACHINE, thickness, loudest)
        axes.set_xlim(left, right)
        axes.set_ylim(lowest, highest)
    axes.set_xlabel("seconds", color=_INK, fontsize=11)
    figure.suptitle(title, x=0.035, ha="left", color=_INK, fontsize=13)
    figure.legend(
        handles=[
            Patch(color=_HUMAN, label=f"human · {len(music.human)} notes"),
            Patch(color=_MACHINE, label=f"improv · {len(music.machine)} notes, {len(music.answers)} answers"),
        ],
        loc="upper right",
        ncols=2,
        frameon=False,
        labelcolor=_INK,
        fontsize=11,
    )
    return figure


def _rule(axes: "Axes", lowest: int, highest: int) -> None:
    """Draw the keyboard behind the notes, and name its C's."""
    axes.set_facecolor(_STAFF)
    for pitch in range(lowest, highest):
        if pitch % 12 in _BLACK_KEYS:
            axes.axhspan(pitch - 0.5, pitch + 0.5, color=_PAPER, linewidth=0, alpha=0.5, zorder=0)
        if pitch % 12 == 0:
            axes.axhline(pitch - 0.5, color=_LINE, linewidth=1.2, zorder=1)
    tonics = [pitch for pitch in range(lowest, highest) if pitch % 12 == 0]
    axes.set_yticks(tonics, [f"C{pitch // 12 - 1}" for pitch in tonics])
    axes.tick_params(colors=_INK, length=0, labelsize=11, pad=6)
    axes.grid(axis="x", color=_LINE, linewidth=0.8, zorder=1)
    axes.set_axisbelow(True)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _shade(axes: "Axes", answers: Iterable[Answered], top: int, *, numbered: bool) -> None:
    """Shade the answers, and number them where there is room."""
    for answer in answers:
        axes.axvspan(answer.start, answer.end, color=_MACHINE, alpha=0.09, linewidth=0, zorder=1)
        if not numbered:
            continue
        axes.annotate(
            str(answer.number),
            (answer.start, top),
            xytext=(4, -4),
            textcoords="offset points",
            va="top",
            color=_MACHINE,
            fontsize=10,
            annotation_clip=True,
            clip_on=True,
        )


def _notes(axes: "Axes", notes: Iterable[Played], colour: str, thickness: float, loudest: int) -> None:
    """Draw notes of a `thickness` in semitones, the louder the brighter."""
    from matplotlib.collections import PolyCollection  # noqa: PLC0415
    from matplotlib.colors import to_rgba  # noqa: PLC0415

    boxes, colours = [], []
    for note in (played.note for played in notes):
        left, right = note.onset, note.onset + max(note.duration, _SHORTEST_S)
        low, high = note.pitch - thickness / 2, note.pitch + thickness / 2
        boxes.append([(left, low), (left, high), (right, high), (right, low)])
        colours.append(to_rgba(colour, _FAINTEST + (1 - _FAINTEST) * note.velocity / loudest))
    axes.add_collection(PolyCollection(boxes, facecolors=colours, edgecolors=_PAPER, linewidths=0.4, zorder=3))
