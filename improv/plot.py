"""Pictures of files: what is in a MIDI file or a session, and how a training went."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np

from improv.drawing import COLOURS, HUMAN, Part, roll
from improv.predict.encoding import FloatArray, notes_to_array
from improv.sessions import journal, performance
from improv.sessions import roll as pictures
from improv.sessions.score import Score, score
from improv.train.plots import distributions, plot_loss, read_history

Kind = Literal["roll", "distributions", "loss"]
SESSION, HISTORY = ".jsonl", ".csv"


def kind_of(path: Path) -> Kind:
    """Return what is drawn of a file where nothing is said."""
    return "loss" if path.suffix == HISTORY else "roll"


def draw_roll(path: Path, first: int | None, png: Path) -> None:
    """Draw the piano roll of a MIDI file or a session: of its `first` notes, or of all.

    Raises CorpusError, SessionError.
    """
    if path.suffix == SESSION:
        pictures.save(pictures.picture(_beginning(score(journal.read(path)), first), path.stem), png)
        return
    notes = performance.load(path).notes
    shown = notes[:first]
    label = f"{len(notes)} notes" if len(shown) == len(notes) else f"the first {len(shown)} of {len(notes)} notes"
    pictures.save(roll([Part(label, HUMAN, shown)], path.stem), png)


def draw_distributions(paths: Sequence[Path], first: int | None, png: Path) -> None:
    """Draw how often each pitch, step, duration and velocity occurs in files, a colour each; more than 4 are pooled.

    The two players of a session count apart. Raises CorpusError, SessionError.
    """
    samples = [sample for path in paths for sample in _samples(path, first)]
    title = paths[0].stem if len(paths) == 1 else f"{len(paths)} files"
    if len(samples) > len(COLOURS):
        samples = [("all", np.concatenate([rows for _, rows in samples]))]
    labelled = [(f"{label} · {len(rows)} notes", rows) for label, rows in samples]
    pictures.save(distributions(labelled, title), png)


def draw_loss(path: Path, png: Path) -> None:
    """Draw how a training went, from the history that it wrote. Raises CorpusError, SessionError."""
    pictures.save(plot_loss(read_history(path), path.name.split(".")[0]), png)


def _samples(path: Path, first: int | None) -> list[tuple[str, FloatArray]]:
    """Return the notes of a file, or those of each of a session's players, and what they are called."""
    if path.suffix != SESSION:
        return [(path.name, notes_to_array(performance.load(path).notes[:first]))]
    music = score(journal.read(path))
    return [
        (f"{path.name}, {name}", notes_to_array([played.note for played in part[:first]]))
        for name, part in (("human", music.human), ("improv", music.machine))
        if part
    ]


def _beginning(music: Score, first: int | None) -> Score:
    """Return the `first` notes of a session, whoever played them, and the answers that they belong to."""
    both = [(played, True) for played in music.human] + [(played, False) for played in music.machine]
    if first is None or first >= len(both):
        return music
    both = sorted(both, key=lambda each: each[0].note.onset)[:first]
    last, end = both[-1][0].note.onset, max(played.note.onset + played.note.duration for played, _ in both)
    answers = [replace(answer, end=min(answer.end, end)) for answer in music.answers if answer.start <= last]
    human, machine = (tuple(played for played, by_human in both if by_human is human) for human in (True, False))
    return replace(music, human=human, machine=machine, answers=tuple(answers), end=end)
