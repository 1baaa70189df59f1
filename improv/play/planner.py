"""Write an answer: draw notes from the engine, and fit them to the beat, and to the length and loudness of the call."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from improv.beat import Grid
from improv.events import Note
from improv.listen.phrase import Call
from improv.play.groove import ending, quantised
from improv.play.turns import Answer
from improv.predict.encoding import DURATION, PITCH, STEP, VELOCITY, FloatArray, notes_to_array
from improv.predict.engine import Engine, Taste
from improv.predict.memory import Recall
from improv.predict.repetition import LoopGuard
from improv.predict.sampling import uniforms

MIN_NOTES = 4
MAX_NOTES = 240
MIN_DURATION_S = 0.05
# A note that had to end as soon as this is none.
_SLIVER_S = 0.03
# Velocities stray this far from the call's own, at most.
_TOUCH = 6.0
# An answer with dynamics of its own is this much louder or softer than the call, at most.
_LOUDER = 6.0
# The answer's end, over the length aimed at, lies within these bounds.
_TIGHTEST, _LOOSEST = 0.8, 1.2


@dataclass(frozen=True, slots=True)
class Pulse:
    """The beat that an answer is drawn to: it begins at `start` (beats), its onsets move by `strength` (0-1)."""

    grid: Grid
    start: float
    strength: float
    swing: float


@dataclass(frozen=True, slots=True)
class Brief:
    """What an answer is asked to be. `length` in seconds; `seed`, `revision` and `part` fix its randomness.

    `number` names the occasion. `opens`: the first note falls on the first moment; otherwise when the model would have
    it, and a part of a stream may well stay empty.
    """

    call: Call
    length: float
    taste: Taste
    polyphony: int
    seed: int
    revision: int
    number: int = 0
    part: int = 0
    opens: bool = True
    pulse: Pulse | None = None


def compose(engine: Engine, heard: list[Note], brief: Brief, recall: Recall | None = None) -> Iterator[Answer | None]:
    """Yield None after each note drawn (so that the caller may pause or give up), at last the answer.

    Pure: the same arguments give the same answer. `heard` holds at least one note; `recall` is what comes to mind of
    the player after them.
    """
    state, guard = replace(engine.prime(notes_to_array(heard)), recall=recall), LoopGuard()
    draft = Draft(brief, has_velocity=engine.info.has_velocity)
    for at, uniform in enumerate(uniforms(brief.seed, brief.revision, brief.part, MAX_NOTES)):
        row = guard.draw(engine, state, uniform[None], brief.taste if not at else brief.taste.after(0.0))
        if not draft.add(row[0], float(uniform[VELOCITY])):
            break
        state = engine.advance(state, row)
        yield None
    yield Answer(brief.revision, brief.number, draft.ended())


class Draft:
    """An answer while it is written: takes the notes drawn, one by one, until it is as long as asked."""

    def __init__(self, brief: Brief, *, has_velocity: bool) -> None:
        self._brief = brief
        self._has_velocity = has_velocity
        self._rows: list[FloatArray] = []
        self._onset = 0.0
        self._notes: tuple[Note, ...] | None = None

    @property
    def is_done(self) -> bool:
        """Whether it is as long as asked."""
        return self._notes is not None

    def add(self, row: FloatArray, draw: float) -> bool:
        """Take the next note (4), and write into it how loud it is; return False once the answer is long enough."""
        if self.is_done:
            return False
        brief = self._brief
        if self._rows:
            self._onset += float(row[STEP])
        elif brief.opens:
            # The first note comes when the turn does, whatever longer rest the model would have liked.
            row[STEP] = brief.taste.elapsed_s
        else:
            self._onset = max(0.0, float(row[STEP]) - brief.taste.elapsed_s)
        if self._onset >= brief.length and self._is_enough():
            self._notes = self._sounding()
            return False
        row[VELOCITY] = _velocity(row[VELOCITY], brief.call, self._onset / brief.length, draw)
        self._rows.append(row.copy())
        return True

    def ended(self) -> tuple[Note, ...]:
        """Return the answer, long enough or not: there are no more notes for it."""
        return self._sounding() if self._notes is None else self._notes

    def _is_enough(self) -> bool:
        if not self._brief.opens:
            return True
        if self._brief.pulse is not None:
            return bool(self._rows)
        return len(_fitted(self._rows, self._brief)) >= MIN_NOTES

    def _sounding(self) -> tuple[Note, ...]:
        notes = _placed(self._rows, self._brief)
        return _as_loud(notes, self._brief.call) if notes and self._has_velocity else notes


def _placed(rows: list[FloatArray], brief: Brief) -> tuple[Note, ...]:
    """Return the notes where they are to sound: to the beat, as a part of a stream, or on a scale of their own."""
    if brief.pulse is None and brief.opens:
        return _fitted(rows, brief)
    if not rows:
        return ()
    first = 0.0 if brief.opens else max(0.0, float(rows[0][STEP]) - brief.taste.elapsed_s)
    onsets = first + np.cumsum([0.0] + [float(row[STEP]) for row in rows[1:]])
    notes = tuple(
        Note(int(row[PITCH]), int(row[VELOCITY]), float(onset), max(float(row[DURATION]), MIN_DURATION_S))
        for row, onset in zip(rows, onsets, strict=True)
    )
    if brief.pulse is not None:
        pulse = brief.pulse
        notes = quantised(notes, pulse.start, pulse.grid, pulse.strength, pulse.swing, opens=brief.opens)
        if brief.opens:
            notes = ending(notes, pulse.start, pulse.grid, brief.length / pulse.grid.period)
    return _thinned(list(notes), brief.polyphony)


def _velocity(drawn: float, call: Call, place: float, draw: float) -> int:
    """Return the model's velocity or, where it has none, the call's own at the same place with a little touch."""
    if not np.isnan(drawn):
        return int(np.clip(round(float(drawn)), 1, 127))
    contour = np.interp(min(place, 1.0) * (len(call.velocities) - 1), range(len(call.velocities)), call.velocities)
    # Half contour, half mean: the shape of the call, without its accidents.
    level = (float(contour) + call.mean_velocity) / 2
    return int(np.clip(round(level + _TOUCH * (2 * draw - 1)), 1, 127))


def _fitted(rows: list[FloatArray], brief: Brief) -> tuple[Note, ...]:
    """Return the notes, first onset at 0, on a time scale on which the answer ends near the length aimed at."""
    steps = np.array([0.0] + [float(row[1]) for row in rows[1:]])
    onsets = np.cumsum(steps)
    durations = np.array([max(float(row[2]), MIN_DURATION_S) for row in rows])
    last = float(onsets[-1])
    end = float((onsets + durations).max())
    scale = 1.0
    if last >= brief.length:
        # Slow steps, few notes: MIN_NOTES of them have to find room.
        scale = _TIGHTEST * brief.length / last
    elif end < _TIGHTEST * brief.length:
        scale = brief.length / end
    onsets, durations = onsets * scale, durations * scale
    durations = np.minimum(durations, _LOOSEST * brief.length - onsets)
    durations = np.maximum(durations, MIN_DURATION_S)
    return _thinned(
        [
            Note(int(row[0]), int(row[3]), float(onset), float(duration))
            for row, onset, duration in zip(rows, onsets, durations, strict=True)
        ],
        brief.polyphony,
    )


def _as_loud(notes: tuple[Note, ...], call: Call) -> tuple[Note, ...]:
    """Return the notes all louder or softer by as much as it takes to come near the call: their shape is their own."""
    above = sum(note.velocity for note in notes) / len(notes) - call.mean_velocity
    shift = round(min(max(above, -_LOUDER), _LOUDER) - above)
    return tuple(replace(note, velocity=min(max(note.velocity + shift, 1), 127)) for note in notes)


def _thinned(notes: list[Note], polyphony: int) -> tuple[Note, ...]:
    """Return the notes with at most `polyphony` sounding at once: the oldest ends early. A repeat ends its first."""
    kept: list[Note] = []
    for note in notes:
        sounding = [index for index, other in enumerate(kept) if other.onset + other.duration > note.onset]
        again = [index for index in sounding if kept[index].pitch == note.pitch]
        crowd = sounding[: max(0, len(sounding) - polyphony + 1)]
        for index in {*again, *crowd}:
            kept[index] = replace(kept[index], duration=note.onset - kept[index].onset)
        kept.append(note)
    return tuple(note for note in kept if note.duration >= _SLIVER_S)
