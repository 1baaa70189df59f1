"""Several answers to the same call, drawn in step in the engine's batch, and the best of them. One is always ready."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from improv.events import Note
from improv.play.planner import MAX_NOTES, MIN_NOTES, Brief, _as_loud, _fitted, _velocity, compose
from improv.play.scoring import likenesses, profiles
from improv.play.turns import Answer
from improv.predict.encoding import STEP, VELOCITY, FloatArray, notes_to_array
from improv.predict.engine import Engine, State
from improv.predict.repetition import LoopGuard
from improv.predict.sampling import uniforms

# So many candidates there are when the best is chosen anew: each time four times as many.
COUNTS = (1, 4, 16, 64)


@dataclass(frozen=True, slots=True)
class Choice:
    """The best `answer` of the first `count` candidates, and its number among them."""

    answer: Answer
    number: int
    count: int


def compose_many(engine: Engine, heard: list[Note], brief: Brief, count: int) -> Iterator[Choice | None]:
    """Yield None after each note drawn, and a choice whenever there are as many candidates as in COUNTS, or `count`.

    The first choice is what `compose` writes. Who stops at a choice gets the same with its `count`, later: pure.
    """
    answers: list[Answer] = []
    # The call's notes are the last; of a call that is longer than the window, all.
    told = profiles([heard, heard[-brief.call.notes :]])
    found = np.empty((0, told.shape[1]), np.float32)
    for upto in sorted({min(each, count) for each in (*COUNTS, count)}):
        numbers = range(len(answers), upto)
        several = _alone(engine, heard, brief) if not answers else composed(engine, heard, brief, numbers)
        for more in several:
            if more is None:
                yield None
                continue
            answers += more
            found = np.concatenate([found, profiles([answer.notes for answer in more])])
            best = int(likenesses(found, *told).scores().argmax())
            yield Choice(answers[best], best, len(answers))


def _alone(engine: Engine, heard: list[Note], brief: Brief) -> Iterator[list[Answer] | None]:
    for answer in compose(engine, heard, brief):
        yield None if answer is None else [answer]


def composed(engine: Engine, heard: list[Note], brief: Brief, numbers: Sequence[int]) -> Iterator[list[Answer] | None]:
    """Yield None after each note drawn for all, at last the answers of the candidates with these `numbers`.

    Each as `compose` would write it with its own random numbers.
    """
    draws = np.stack([uniforms(brief.seed, brief.revision, number, MAX_NOTES) for number in numbers], axis=1)
    drafts = [_Draft(engine, brief) for _ in numbers]
    # Which candidates the rows of the batch are.
    left = np.arange(len(drafts))
    state = _of(engine.prime(notes_to_array(heard)), np.zeros_like(left))
    guard = LoopGuard(len(drafts))
    for at, uniform in enumerate(draws):
        taste = brief.taste if not at else brief.taste.after(0.0)
        rows = guard.draw(engine, state, uniform[left], taste)
        if not at:
            # The first note comes when the turn does, whatever longer rest the model would have liked.
            rows[:, STEP] = taste.elapsed_s
        for which, row in zip(left, rows, strict=True):
            drafts[which].add(row, float(uniform[which][VELOCITY]))
        going = np.flatnonzero([not drafts[which].notes for which in left])
        if not len(going):
            break
        state = engine.advance(state, rows)
        # A smaller batch is a faster one, but to make it costs something too; to compile for it, seconds.
        if 2 * len(going) <= len(left) and isinstance(state.hidden, np.ndarray):
            left, state = left[going], _of(state, going)
            guard.keep(going)
        yield None
    yield [Answer(brief.revision, brief.call.number, draft.ended()) for draft in drafts]


def _of(state: State, which: NDArray[np.int64]) -> State:
    """Return the state of these candidates, in arrays, whatever it was in."""
    return State(state.notes[which], np.asarray(state.hidden)[which], np.asarray(state.cell)[which])


class _Draft:
    """An answer while it is written; its `notes` once it is as long as asked."""

    def __init__(self, engine: Engine, brief: Brief) -> None:
        self.notes: tuple[Note, ...] = ()
        self._rows: list[FloatArray] = []
        self._onset = 0.0
        self._brief = brief
        self._has_velocity = engine.info.has_velocity

    def add(self, row: FloatArray, draw: float) -> None:
        """Take the next note (4), and write into it how loud it is; nothing once the answer is long enough."""
        if self.notes:
            return
        if self._rows:
            self._onset += float(row[STEP])
        if self._onset >= self._brief.length and len(notes := _fitted(self._rows, self._brief)) >= MIN_NOTES:
            self.notes = self._loud(notes)
            return
        row[VELOCITY] = _velocity(row[VELOCITY], self._brief.call, self._onset / self._brief.length, draw)
        self._rows.append(row.copy())

    def ended(self) -> tuple[Note, ...]:
        """Return the answer, long enough or not: there are no more notes for it."""
        return self.notes or self._loud(_fitted(self._rows, self._brief))

    def _loud(self, notes: tuple[Note, ...]) -> tuple[Note, ...]:
        return _as_loud(notes, self._brief.call) if self._has_velocity else notes
