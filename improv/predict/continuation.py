"""Go on from a prompt, note after note, without a listener or a clock: for files, pictures and measurements."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from improv.predict.encoding import COLUMNS, FloatArray
from improv.predict.engine import Engine, State, Taste
from improv.predict.repetition import LoopGuard
from improv.predict.sampling import uniforms


def continuations(
    engine: Engine, prompt: FloatArray, count: int, taste: Taste, seed: int, batch: int = 1
) -> FloatArray:
    """Return what `engine` plays after `prompt` (n >= 1, 4): `batch` continuations of `count` notes (batch, count, 4).

    A pure function: the same arguments give the same notes. The steps
    begin at the prompt's last onset; velocities are NaN where the model has none.
    """
    return _from(engine, engine.prime(prompt, batch), count, taste, seed)


def continued(
    engine: Engine, prompts: Sequence[FloatArray], count: int, taste: Taste, seed: int, *, guarded: bool = True
) -> FloatArray:
    """Return what `engine` plays after each of the prompts (each (n >= 1, 4), n the same): (prompts, count, 4).

    As `continuations` of one prompt, but all at once: prompt i is gone on from with the numbers of candidate i.
    `guarded`: whether loops are broken, as in a jam; without, the bare model is heard.
    """
    states = [engine.prime(prompt) for prompt in prompts]
    notes, hidden, cell = (
        np.concatenate([getattr(state, part) for state in states]) for part in ("notes", "hidden", "cell")
    )
    return _from(engine, State(notes, hidden, cell), count, taste, seed, guarded=guarded)


def _from(engine: Engine, state: State, count: int, taste: Taste, seed: int, *, guarded: bool = True) -> FloatArray:
    batch = len(state.hidden)
    draws = np.stack([uniforms(seed, 0, candidate, count) for candidate in range(batch)], axis=1)
    taste = replace(taste, elapsed_s=0.0)
    notes = np.empty((batch, count, COLUMNS), np.float32)
    guard = LoopGuard(batch)
    for at in range(count):
        drawn = guard.draw(engine, state, draws[at], taste) if guarded else engine.draw(state, draws[at], taste)
        notes[:, at] = drawn
        state = engine.advance(state, notes[:, at])
    return notes
