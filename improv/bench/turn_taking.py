"""When the machine takes its turn: performances are played as the player plays who waits for answers.

In simulated time, and through the very listener that a jam has: a threshold that adapts beside every fixed one. A
performance is cut into calls (`sessions.performance`); after each the player stops, with all keys up, and waits.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path

from improv.bench.calls import listed
from improv.errors import CorpusError
from improv.events import decode
from improv.listen.phrase import PhraseListener, Silence
from improv.listen.tracker import Change, NoteTracker, Onset
from improv.musician import Manner
from improv.sessions.performance import LONGEST_ANSWER_S, PATIENCE_S, Call, calls, load
from improv.settings import Settings

ADAPTIVE = "adaptive"
FIXED_S = tuple(round(0.3 + 0.1 * place, 1) for place in range(18))
NAMES = (ADAPTIVE, *(f"{seconds:.1f} s" for seconds in FIXED_S))


@dataclass(frozen=True, slots=True)
class Taken:
    """The turns that a threshold took in a file: how often inside a call, and how long after each (seconds)."""

    takeovers: int
    dead_air: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Played:
    """A performance of so many `seconds`, pauses left out, and what each threshold made of it, as in `NAMES`."""

    seconds: float
    taken: tuple[Taken, ...]


@dataclass(frozen=True, slots=True)
class Corpus:
    """The performances of a folder."""

    name: str
    files: tuple[Played, ...]


def silences(adaptive: Silence) -> list[Silence]:
    """Return what is compared: the adaptive threshold, then the fixed ones."""
    return [replace(adaptive, fixed=None), *(replace(adaptive, fixed=seconds) for seconds in FIXED_S)]


def play_folder(folder: Path, count: int, say: Callable[[str], None]) -> Corpus:
    """Play `count` performances from all over a folder, of its validation split if it has one.

    Raises CorpusError where there is no music.
    """
    files = chosen(listed(folder), count)
    played = []
    for number, path in enumerate(files, start=1):
        say(f"turn-taking: {folder.name}, {number} of {len(files)}")
        try:
            phrases = calls(load(path))
        except CorpusError:
            continue  # a damaged file; there are others
        played.append(play(phrases, Manner.of(Settings())))
    if not played:
        raise CorpusError(f"{folder}: none of its MIDI files can be played")
    return Corpus(folder.name, tuple(played))


def chosen(files: Sequence[Path], count: int) -> list[Path]:
    """Return `count` of the files, or all, evenly from first to last."""
    count = min(count, len(files))
    return [files[place * len(files) // count] for place in range(count)]


def play(phrases: Iterable[Call], manner: Manner) -> Played:
    """Play the calls of a performance to a listener of each threshold."""
    tracker = NoteTracker(manner.ghost_velocity, manner.ghost_s)
    listeners = [PhraseListener(silence) for silence in silences(manner.silence)]
    takeovers = [0] * len(listeners)
    dead_air: list[list[float]] = [[] for _ in listeners]
    start = seconds = 0.0
    for phrase in phrases:
        changes = heard(tracker, phrase, start)
        # Nothing but ghosts is no call.
        for place, listener in enumerate(listeners if changes else []):
            times, silence = follow(listener, changes)
            takeovers[place] += times
            dead_air[place].append(silence)
        seconds += phrase.length
        start += pause_after(phrase)
    return Played(seconds, tuple(map(Taken, takeovers, map(tuple, dead_air))))


def pause_after(phrase: Call) -> float:
    """Return how long after the first onset of a call the next one begins: there is time for an answer (seconds)."""
    return phrase.length + min(phrase.length, LONGEST_ANSWER_S) + PATIENCE_S


def heard(tracker: NoteTracker, phrase: Call, start: float) -> list[Change]:
    """Return what a tracker makes of a call that begins at `start` (seconds)."""
    changes = []
    for at, data in phrase.events:
        event = decode(data)
        if event is not None:
            changes += tracker.feed(start + at, "player", event)
    return changes


def follow(listener: PhraseListener, changes: Sequence[Change]) -> tuple[int, float]:
    """Feed a call; return how often the machine would have begun inside it, and how long after its end (seconds).

    It begins inside the call where a deadline has passed by the next onset; the end is the last release.
    """
    takeovers = 0
    for place, change in enumerate(changes):
        if place and isinstance(change, Onset) and (listener.deadline or inf) <= change.at:
            takeovers += 1
        listener.feed(change)
    return takeovers, max(0.0, (listener.deadline or inf) - changes[-1].at)
