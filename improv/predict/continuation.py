"""Go on from a prompt, note after note, without a listener or a clock: for files, pictures and measurements."""

from dataclasses import replace

import numpy as np

from improv.predict.encoding import COLUMNS, FloatArray
from improv.predict.engine import Engine, Taste
from improv.predict.repetition import LoopGuard
from improv.predict.sampling import uniforms


def continuations(
    engine: Engine, prompt: FloatArray, count: int, taste: Taste, seed: int, batch: int = 1
) -> FloatArray:
    """Return what `engine` plays after `prompt` (n >= 1, 4): `batch` continuations of `count` notes (batch, count, 4).

    A pure function: the same arguments give the same notes. The steps
    begin at the prompt's last onset; velocities are NaN where the model has none.
    """
    draws = np.stack([uniforms(seed, 0, candidate, count) for candidate in range(batch)], axis=1)
    taste = replace(taste, elapsed_s=0.0)
    notes = np.empty((batch, count, COLUMNS), np.float32)
    state, guard = engine.prime(prompt, batch), LoopGuard(batch)
    for at in range(count):
        notes[:, at] = guard.draw(engine, state, draws[at], taste)
        state = engine.advance(state, notes[:, at])
    return notes
