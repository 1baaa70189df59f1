"""Several answers to the same call, drawn in step in the engine's batch, and the best of them. One is always ready."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from improv.events import Note
from improv.play.planner import MAX_NOTES, Brief, Draft, compose
from improv.play.scoring import likenesses, profiles
from improv.play.turns import Answer
from improv.predict.encoding import VELOCITY, notes_to_array
from improv.predict.engine import Engine
from improv.predict.memory import Recall
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


def compose_many(
    engine: Engine, heard: list[Note], brief: Brief, count: int, recall: Recall | None = None
) -> Iterator[Choice | None]:
    """Yield None after each note drawn, and a choice whenever there are as many candidates as in COUNTS, or `count`.

    The first choice is what `compose` writes. Who stops at a choice gets the same with its `count`, later: pure.
    """
    answers: list[Answer] = []
    # The call's notes are the last; of a call that is longer than the window, all.
    told = profiles([heard, heard[-brief.call.notes :]])
    found = np.empty((0, told.shape[1]), np.float32)
    for upto in sorted({min(each, count) for each in (*COUNTS, count)}):
        numbers = range(len(answers), upto)
        several = composed(engine, heard, brief, numbers, recall) if answers else _alone(engine, heard, brief, recall)
        for more in several:
            if more is None:
                yield None
                continue
            answers += more
            if count == 1:
                yield Choice(answers[0], 0, 1)
                return
            found = np.concatenate([found, profiles([answer.notes for answer in more])])
            best = int(likenesses(found, *told).scores().argmax())
            yield Choice(answers[best], best, len(answers))


def _alone(engine: Engine, heard: list[Note], brief: Brief, recall: Recall | None) -> Iterator[list[Answer] | None]:
    for answer in compose(engine, heard, brief, recall):
        yield None if answer is None else [answer]


def composed(
    engine: Engine, heard: list[Note], brief: Brief, numbers: Sequence[int], recall: Recall | None = None
) -> Iterator[list[Answer] | None]:
    """Yield None after each note drawn for all, at last the answers of the candidates with these `numbers`.

    Each as `compose` would write it with its own random numbers.
    """
    draws = np.stack([uniforms(brief.seed, brief.revision, number, MAX_NOTES) for number in numbers], axis=1)
    drafts = [Draft(brief, has_velocity=engine.info.has_velocity) for _ in numbers]
    # Which candidates the rows of the batch are.
    left = np.arange(len(drafts))
    state = replace(engine.prime(notes_to_array(heard)), recall=recall).chosen(np.zeros_like(left))
    guard = LoopGuard(len(drafts))
    for at, uniform in enumerate(draws):
        rows = guard.draw(engine, state, uniform[left], brief.taste if not at else brief.taste.after(0.0))
        for which, row in zip(left, rows, strict=True):
            drafts[which].add(row, float(uniform[which][VELOCITY]))
        going = np.flatnonzero([not drafts[which].is_done for which in left])
        if not len(going):
            break
        state = engine.advance(state, rows)
        # A smaller batch is a faster one, but to make it costs something too; to compile for it, seconds.
        if 2 * len(going) <= len(left) and isinstance(state.hidden, np.ndarray):
            left, state = left[going], state.chosen(going)
            guard.keep(going)
        yield None
    yield [Answer(brief.revision, brief.number, draft.ended()) for draft in drafts]
