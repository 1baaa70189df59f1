"""Worker: the numpy engine, note by note, and the bare arithmetic that it cannot do without."""

import gc
import time
from collections import deque
from collections.abc import Callable, Mapping

import numpy as np

from improv.bench.worker import Task, serve
from improv.clock import now
from improv.engine.measure import typical
from improv.play.planner import compose
from improv.predict.encoding import COLUMNS, FloatArray
from improv.predict.engine import Engine, Taste
from improv.predict.engines import engine_of
from improv.predict.numpy_engine import NumpyEngine
from improv.predict.sampling import uniforms
from improv.predict.weights import find, load
from improv.settings import Settings

WARM_UP = 30
_UNIFORMS = 4096


def heard(count: int) -> FloatArray:
    """Return `count` notes of a plain melody."""
    place = np.arange(count)
    notes = np.empty((count, COLUMNS), np.float32)
    notes[:, 0], notes[:, 1], notes[:, 2], notes[:, 3] = 60 + place * 5 % 12, 0.2, 0.18, 80
    return notes


def timed(call: Callable[[], object], count: int, period: float | None) -> list[float]:
    """Return how long each of `count` calls takes (ms), back to back or one every `period` seconds."""
    taken = []
    start = now()
    for place in range(count):
        if period is not None:
            time.sleep(max(0.0, start + place * period - now()))
        before = now()
        call()
        taken.append((now() - before) * 1000)
    return taken


def note(engine: Engine) -> Callable[[], object]:
    """Return what draws one more note and takes it in."""
    draws = uniforms(1, 1, 0, _UNIFORMS)[:, None]
    taste = Taste()
    state = engine.prime(heard(engine.info.window))
    place = 0

    def play() -> None:
        nonlocal state, place
        place = (place + 1) % _UNIFORMS
        state = engine.advance(state, engine.draw(state, draws[place], taste))

    return play


def phrase(engine: Engine) -> Callable[[], object]:
    """Return what answers a typical phrase."""
    heard, brief = typical(engine.info.window)
    return lambda: deque(compose(engine, heard, brief), maxlen=1)


def arithmetic(recurrent: FloatArray, pitch: FloatArray) -> Callable[[], object]:
    """Return a step's arithmetic with nothing around it: what numpy and the machine take at least.

    `recurrent` (units or more, 4 units), `pitch` (units, outputs of the heads).
    """
    units = recurrent.shape[1] // 4
    bias = np.zeros(4 * units, np.float32)
    known, cell = np.zeros((1, len(recurrent)), np.float32), np.zeros((1, units), np.float32)
    hidden = known[:, :units]
    gates = np.empty((1, 4 * units), np.float32)
    enter, forget, out, candidate = (gates[:, at * units : (at + 1) * units] for at in range(4))

    def step() -> None:
        np.dot(known, recurrent, out=gates)
        np.add(gates, bias, out=gates)
        np.tanh(gates, out=gates)
        np.multiply(cell, forget, out=cell)
        np.multiply(enter, candidate, out=enter)
        np.add(cell, enter, out=cell)
        np.tanh(cell, out=hidden)
        np.multiply(hidden, out, out=hidden)
        np.cumsum(np.exp(hidden @ pitch), axis=1)

    return step


def tasks() -> Mapping[str, Task]:
    """Return what can be asked: each (count, period) -> list of ms."""
    tutorial, default = load(find("tutorial")), load(find(Settings().model.name))
    ours = default.tensors
    besides = ours["step.kernel"].shape[0] - default.card.units
    played = engine_of(default)
    calls = {
        "step": note(NumpyEngine(tutorial, carry=True)),
        "window": note(NumpyEngine(tutorial, carry=False)),
        "bare": arithmetic(tutorial.tensors["lstm.recurrent"], tutorial.tensors["pitch.kernel"]),
        "default": note(played),
        "default bare": arithmetic(
            np.concatenate([ours["lstm.recurrent"], ours["lstm.kernel"][-besides:]]), ours["step.kernel"][:-besides]
        ),
        "phrase": phrase(played),
    }
    for call in calls.values():
        timed(call, WARM_UP, None)
    gc.collect()
    gc.freeze()  # as the brain does
    return {name: lambda count, period=None, call=call: timed(call, count, period) for name, call in calls.items()}


if __name__ == "__main__":
    serve(tasks)
