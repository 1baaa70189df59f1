"""How well answers fit their calls: the musician alone, without clock or ports, answers performances from a folder."""

import csv
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path

from improv.bench.figures import Limit, Row, judged, percentile
from improv.daemon import load_engine
from improv.errors import CorpusError, ImprovError
from improv.events import NoteOn, decode
from improv.musician import Manner, Musician
from improv.play.turns import Answer
from improv.ports.link import TimedBytes
from improv.sessions.performance import calls, load
from improv.settings import Settings

LENGTHS = (0.5, 1.5)
VELOCITY = 12.0
MIN_NOTES = 4

_CALL_S = (1.0, 8.0)
_SPLIT = "validation"
# Of each file only so many phrases, so that many files count.
_A_FILE = 4
_SEED = 1
# A key has seven pitch classes. Onsets closer than this are a chord.
_KEY = 7
_CHORD_S = 0.02


@dataclass(frozen=True, slots=True)
class Turn:
    """A call as it was heard, and its answer: length in seconds, mean velocity, pitches."""

    length: float
    velocity: float
    answer: Answer
    pitches: tuple[int, ...] = ()

    @property
    def in_key(self) -> float:
        """The share of the answer's notes in the seven pitch classes that the call uses most."""
        used = {pitch for pitch, _ in Counter(pitch % 12 for pitch in self.pitches).most_common(_KEY)}
        return sum(note.pitch % 12 in used for note in self.answer.notes) / max(1, len(self.answer.notes))

    @property
    def fits_in_length(self) -> bool:
        """Whether the answer is about as long as the call."""
        return LENGTHS[0] * self.length <= self.answer.length <= LENGTHS[1] * self.length

    @property
    def fits_in_loudness(self) -> bool:
        """Whether the answer is about as loud as the call."""
        velocities = [note.velocity for note in self.answer.notes]
        return bool(velocities) and abs(sum(velocities) / len(velocities) - self.velocity) <= VELOCITY


def measure(folder: Path, count: int, say: Callable[[str], None], model: str = "lstm") -> list[Row]:
    """Return how well `count` answers of `model` to calls from `folder` fit.

    Raises CorpusError where there are no such calls, ModelError where there is no such model.
    """
    turns: list[Turn] = []
    for turn in islice(_turns(listed(folder), model), count):
        turns.append(turn)
        say(f"calls: {len(turns)} of {count}")
    if not turns:
        raise CorpusError(f"{folder}: no calls of {_CALL_S[0]:.0f} to {_CALL_S[1]:.0f} seconds in its MIDI files")
    return rows(turns)


def rows(turns: list[Turn]) -> list[Row]:
    """Return what the turns (at least one) come to."""
    lengths, loudness = [turn.fits_in_length for turn in turns], [turn.fits_in_loudness for turn in turns]
    both = [long and loud for long, loud in zip(lengths, loudness, strict=True)]
    notes = [len(turn.answer.notes) for turn in turns]
    pitches = [len({note.pitch for note in turn.answer.notes}) for turn in turns]
    # A note alone has none before it, and counts as neither.
    following = [pair for turn in turns for pair in pairwise(turn.answer.notes)]
    chords = [after.onset - before.onset < _CHORD_S for before, after in following] or [False]
    repeats = [after.pitch == before.pitch for before, after in following] or [False]
    values = {"both": _share(both), "length": _share(lengths), "velocity": _share(loudness)}
    return [
        judged(
            Row(
                f"answers {LENGTHS[0]:g} to {LENGTHS[1]:g} times as long as their call, mean velocity within"
                f" {VELOCITY:.0f} of it",
                "%",
                values,
                limits=(Limit("both", 90.0, least=True),),
                note=f"{len(turns)} calls",
            )
        ),
        Row(f"answers with at least {MIN_NOTES} notes", "%", {"share": _share(few >= MIN_NOTES for few in notes)}),
        Row("notes of an answer", "", _range(notes)),
        Row("different pitches of an answer", "", _range(pitches)),
        Row(
            f"answers' notes in the {_KEY} pitch classes that their call uses most",
            "%",
            {"mean": 100 * sum(turn.in_key for turn in turns) / len(turns)},
        ),
        Row(
            f"answers' notes within {_CHORD_S * 1000:.0f} ms of the one before, and repeating its pitch",
            "%",
            {"chord": _share(chords), "repeat": _share(repeats)},
        ),
    ]


def listed(folder: Path) -> list[Path]:
    """Return the folder's MIDI files: of its `index.csv` the validation split, without one all. Raises CorpusError."""
    index = folder / "index.csv"
    if index.is_file():
        with index.open(encoding="utf-8", newline="") as lines:
            files = [folder / row["path"] for row in csv.DictReader(lines) if row.get("split") == _SPLIT]
    else:
        files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in {".mid", ".midi"})
    if not files:
        raise CorpusError(f"{folder}: no MIDI files there")
    return files


def _turns(files: list[Path], model: str) -> Iterator[Turn]:
    """Yield turns, a few of each file, from all over the folder."""
    engine = load_engine(model)
    for file in files[:: max(1, len(files) // 50)]:
        try:
            phrases = calls(load(file))
        except ImprovError:
            continue  # a damaged file; there are others
        musician = Musician(engine, Manner.of(Settings()), _SEED)
        middle = len(phrases) // 3
        events = _played(phrase.events for phrase in phrases[middle : middle + _A_FILE])
        fitting = (turn for turn in turns_of(musician, events) if _CALL_S[0] <= turn.length <= _CALL_S[1])
        yield from islice(fitting, _A_FILE)


def _played(phrases: Iterable[Iterable[TimedBytes]]) -> Iterator[TimedBytes]:
    """Yield the events of calls with long pauses between them, as a player makes who waits for the answer."""
    start = 0.0
    for phrase in phrases:
        end = start
        for at, data in phrase:
            end = start + at
            yield end, data
        start = end + 10.0


def turns_of(musician: Musician, events: Iterable[TimedBytes]) -> Iterator[Turn]:
    """Yield the musician's turns in what is played: one whenever the phrase has ended before the next event."""
    answered = 0
    heard: list[tuple[float, int]] = []
    for at, data in [*events, (float("inf"), b"")]:
        call, deadline = musician.call, musician.deadline
        if call is not None and deadline is not None and deadline <= at and call.number != answered:
            answered = call.number
            answer = musician.answer()
            if answer is not None:
                pitches = tuple(pitch for onset, pitch in heard if onset >= call.start)
                yield Turn(call.length, call.mean_velocity, answer, pitches)
        event = decode(data)
        if event is not None:
            if isinstance(event, NoteOn):
                heard.append((at, event.pitch))
            musician.feed(at, "bench", event)


def _share(which: Iterable[bool]) -> float:
    """Return how many of these are true, in percent."""
    kept = list(which)
    return 100 * sum(kept) / len(kept)


def _range(counts: list[int]) -> dict[str, float]:
    return {"least": min(counts), "p50": percentile(counts, 50), "most": max(counts)}
