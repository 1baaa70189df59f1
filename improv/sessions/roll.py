"""A session as a picture: a piano roll in two colours."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from improv.drawing import HUMAN, MACHINE, Part, Shade, roll
from improv.errors import SessionError
from improv.sessions.journal import read
from improv.sessions.score import Score, score

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw(journal: Path, png: Path) -> None:
    """Draw the session in `journal` into the picture `png`, 1600 pixels wide. Raises SessionError. Takes a second."""
    save(picture(score(read(journal)), journal.stem), png)


def picture(music: Score, title: str) -> "Figure":
    """Return the piano roll of `music`."""
    human, machine = ([played.note for played in part] for part in (music.human, music.machine))
    ours = f"improv · {len(machine)} notes, {len(music.answers)} answers"
    parts = [Part(f"human · {len(human)} notes", HUMAN, human), Part(ours, MACHINE, machine)]
    return roll(parts, title, [Shade(answer.start, answer.end, str(answer.number)) for answer in music.answers])


def save(figure: "Figure", png: Path) -> None:
    """Write a picture. Raises SessionError."""
    try:
        png.parent.mkdir(parents=True, exist_ok=True)
        with warnings.catch_warnings():
            # A file may be named in letters that matplotlib's own font lacks: they are drawn as boxes.
            warnings.filterwarnings("ignore", r"Glyph \d+")
            figure.savefig(png, format="png")
    except OSError as error:
        raise SessionError(f"{png}: {error.strerror or error}") from error
