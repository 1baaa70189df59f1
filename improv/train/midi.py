"""One file to notes: MIDI with symusic, a journal of ours as what its human played. What is no music is refused.

Onsets are rounded to a microsecond before they are subtracted, so that no error adds up over a file.
"""

from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import symusic
from numpy.typing import NDArray

from improv.errors import CorpusError, SessionError
from improv.predict.encoding import FloatArray
from improv.sessions.journal import parse
from improv.sessions.score import score
from improv.train.packed import NOTE, SECOND, Packed, unpacked
from improv.train.sources import JOURNAL, NOT_A_JOURNAL

# What no music is. Of the four sets we train on (1,915 files): at most 0.4 MB and 0.73 hours a file, 61 seconds a
# note, 49 seconds a pause, 14 notes at once, 27 notes a second.
LONGEST_S = 10 * 3600
LONGEST_NOTE_S = 600
MOST_AT_ONCE = 256
MOST_A_SECOND = 200
# ... which says nothing of a file with fewer notes than this.
_DENSE = 1000

# In a session people walk away, and lean on keys: nothing in it counts as longer.
_LONGEST_IN_SESSION_S = 60
_DRUMS = 9
_DEFAULT_TEMPO = 500_000
# How an export of ours calls our part, and marks our answers.
_MACHINE, _ANSWER = "machine", "answer "


def read_notes(path: Path) -> FloatArray:
    """Return one file's notes by onset, then pitch: every track but the drums, in seconds of its tempo map.

    Raises CorpusError for a file that is broken, empty or absurd.
    """
    try:
        return unpacked(pack(path.name, path.read_bytes()))
    except OSError as error:
        raise CorpusError(f"{path}: {error.strerror or error}") from error
    except CorpusError as error:
        raise CorpusError(f"{path}: {error}") from error


def pack(name: str, data: bytes) -> Packed:
    """Return the notes in a file called `name`, at least one. Raises CorpusError: `kind: details`, without the name."""
    is_journal = PurePosixPath(name).suffix.lower() == JOURNAL
    onset, duration, pitch, velocity = _journal(name, data) if is_journal else _midi(data)
    if not len(onset):
        raise CorpusError("empty: nobody but improv played" if is_journal else "empty: no notes but drums")
    order = np.lexsort((pitch, onset))
    onset = onset[order]
    step = np.diff(onset, prepend=onset[:1])
    if is_journal:
        longest = _LONGEST_IN_SESSION_S * SECOND
        step, duration = np.minimum(step, longest), np.minimum(duration, longest)
    duration = duration[order]
    _refuse_absurd(step, duration)
    notes = np.empty(len(order), NOTE)
    notes["step"], notes["duration"] = step, duration
    notes["pitch"], notes["velocity"] = pitch[order], velocity[order]
    return notes


_Columns = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8], NDArray[np.uint8]]
"""Onset and duration in microseconds, pitch, velocity."""


def _midi(data: bytes) -> _Columns:
    try:
        # Any: its type stubs know no tracks.
        file: Any = symusic.Score.from_midi(data)
    except (RuntimeError, ValueError, MemoryError) as error:
        raise CorpusError(f"broken: {_plain(str(error))}") from error
    if not any(len(track.notes) for track in file.tracks):
        raise CorpusError("empty: no notes")
    tracks = [track for track in file.tracks if not track.is_drum]
    if any(marker.text.startswith(_ANSWER) for marker in file.markers):
        # An export of ours whose journal is gone: nobody learns from himself.
        tracks = [track for track in tracks if track.name != _MACHINE]
    columns = [track.notes.numpy() for track in tracks]
    if not columns:
        return _columns([], [], [], [])
    onset, duration, pitch, velocity = (
        np.concatenate([column[key] for column in columns]) for key in ("time", "duration", "pitch", "velocity")
    )
    start = onset.astype(np.int64)
    tempos = file.tempos.numpy()
    # Ticks are counted in 32 bits, and may have gone round.
    if (onset < 0).any() or (duration < 0).any() or (tempos["time"] < 0).any():
        raise CorpusError("absurd: times beyond what can be counted")
    if file.ticks_per_quarter <= 0:
        raise CorpusError("broken: no ticks in a beat")
    clock = _Clock(tempos, file.ticks_per_quarter)
    begins = clock.microseconds(start)
    return _columns(begins, clock.microseconds(start + duration) - begins, pitch, velocity)


def _columns(onset: Any, duration: Any, pitch: Any, velocity: Any) -> _Columns:  # noqa: ANN401 - whatever numpy takes
    return (
        np.asarray(onset, np.int64),
        np.asarray(duration, np.int64),
        np.asarray(pitch, np.uint8),
        np.asarray(velocity, np.uint8),
    )


class _Clock:
    """A file's tempo map."""

    def __init__(self, tempos: dict[str, NDArray[np.int32]], ticks_per_beat: int) -> None:
        order = np.argsort(tempos["time"], kind="stable")
        self._ticks = np.concatenate([[0], tempos["time"][order].astype(np.int64)])
        self._tempo = np.concatenate([[_DEFAULT_TEMPO], tempos["mspq"][order]]) / ticks_per_beat
        self._starts = np.concatenate([[0.0], np.cumsum(np.diff(self._ticks) * self._tempo[:-1])])

    def microseconds(self, ticks: NDArray[np.int64]) -> NDArray[np.int64]:
        at = np.searchsorted(self._ticks, ticks, "right") - 1
        return np.asarray(np.rint(self._starts[at] + (ticks - self._ticks[at]) * self._tempo[at]), np.int64)


def _journal(name: str, data: bytes) -> _Columns:
    try:
        session = parse(Path(name), data)
    except SessionError as error:
        raise CorpusError(NOT_A_JOURNAL) from error
    try:
        played = [each.note for each in score(session).human if each.channel != _DRUMS]
    except SessionError as error:
        raise CorpusError("empty: nothing was played") from error
    return _columns(
        [round(note.onset * SECOND) for note in played],
        [round(note.duration * SECOND) for note in played],
        [note.pitch for note in played],
        [note.velocity for note in played],
    )


def _refuse_absurd(step: NDArray[np.int64], duration: NDArray[np.int64]) -> None:
    """Raise CorpusError where these are no times of a piece of music."""
    seconds = int((np.cumsum(step) + duration).max()) / SECOND
    if seconds >= LONGEST_S:
        raise CorpusError(f"absurd: {seconds / 3600:.1f} hours long")
    longest = int(max(step.max(), duration.max())) / SECOND
    if longest >= LONGEST_NOTE_S:
        raise CorpusError(f"absurd: a note or a pause of {longest / 60:.0f} minutes")
    moments = np.flatnonzero(np.concatenate([[True], step[1:] > 0, [True]]))
    at_once = int(np.diff(moments).max())
    if at_once > MOST_AT_ONCE:
        raise CorpusError(f"absurd: {at_once:,} notes at one moment")
    if len(step) >= _DENSE and len(step) > MOST_A_SECOND * seconds:
        raise CorpusError(f"absurd: {len(step) / max(seconds, 0.001):,.0f} notes a second")


def _plain(text: str) -> str:
    """Return what symusic says without what it says of itself."""
    return text.removeprefix("MiniMidi: ").removesuffix(": iostream error").replace("Invaild", "Invalid").rstrip("!. ")
