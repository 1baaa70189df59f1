"""How fast whole corpora are read into arrays, next to pretty_midi on the same files."""

import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pretty_midi
from numpy.typing import NDArray

from improv.bench.figures import Limit, Row, judged
from improv.clock import now
from improv.errors import CorpusError
from improv.train.readers import Process, cores, read_all, read_with, started
from improv.train.sources import JOURNAL, File, is_music, source

WHAT = "reading a corpus into arrays, how much quicker than pretty_midi"
REACH = 40.0

_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Round:
    """Seconds of a round: pretty_midi on some files, ours on the same, ours on all from start to end."""

    theirs: float
    ours: float
    everything: float


def measure(folder: Path, count: int, say: Callable[[str], None]) -> list[Row]:
    """Return how much quicker we read `count` files, evenly spread over `folder`, and all of it.

    In rounds, so that whatever else the machine does slows both. Raises CorpusError where there is no MIDI.
    """
    files = [file for file in source(folder).files() if is_music(file.name) and not file.name.endswith(JOURNAL)]
    # What cannot be read is no race.
    readable = {reading.name for reading in read_all(iter(files)) if reading.notes is not None}
    files = [file for file in files if file.name in readable]
    if not files:
        raise CorpusError(f"{folder}: no MIDI files there")
    some = [files[at] for at in np.linspace(0, len(files) - 1, min(count, len(files))).astype(int)]
    parts = [part for start in range(_ROUNDS) if (part := some[start::_ROUNDS])]
    rounds = []
    with started(cores()) as processes:
        read_with(processes, iter(files[: 2 * len(processes)]))
        for number, part in enumerate(parts, start=1):
            rounds.append(_round(processes, part, files))
            say(f"reading: round {number} of {len(parts)}")
    share = sum(len(file.data) for file in some) / sum(len(file.data) for file in files)
    return rows(rounds, len(some), len(files), share)


def rows(rounds: list[Round], some: int, files: int, share: float) -> list[Row]:
    """Return what the rounds come to: of `some` of the `files`, which are this `share` of all bytes."""
    theirs, ours = sum(each.theirs for each in rounds), sum(each.ours for each in rounds)
    everything = sum(each.everything for each in rounds) / len(rounds)
    return [
        judged(
            Row(
                WHAT,
                "times",
                {"same files": theirs / ours, "all": theirs / share / everything},
                limits=(Limit("same files", REACH, least=True), Limit("all", REACH, least=True)),
                note=f"{some} files, with our processes running; all {files}, with their start, against what"
                " pretty_midi would need by its bytes a second",
            )
        ),
        Row(
            "reading a corpus, files a second",
            "",
            {"pretty_midi": some / theirs, "same files": some / ours, "all": files / everything},
            note=f"{cores()} cores",
        ),
    ]


def _round(processes: list[Process], part: list[File], files: list[File]) -> Round:
    start = now()
    for file in part:
        _read(file)
    read = now()
    read_with(processes, iter(part))
    again = now()
    read_all(iter(files))
    return Round(read - start, again - read, now() - again)


def _read(file: File) -> NDArray[np.float64]:
    """Return the notes in `file` as pretty_midi's users get them: all instruments but the drums, by onset."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        midi = pretty_midi.PrettyMIDI(io.BytesIO(file.data))
    notes = [note for instrument in midi.instruments if not instrument.is_drum for note in instrument.notes]
    notes.sort(key=lambda note: (note.start, note.pitch))
    return np.array([(note.pitch, note.start, note.end, note.velocity) for note in notes])
