"""Worker: the default model on Keras' engine, as the engine's process has it."""

from collections.abc import Mapping

from improv.bench.worker import Task, serve
from improv.bench.worker_engine import WARM_UP, note, phrase, timed
from improv.predict.weights import find, load
from improv.settings import Settings


def tasks() -> Mapping[str, Task]:
    """Return what can be asked: `device`, and others, each (count, period) -> list of ms. Raises ImportError."""
    from improv.engine.backend import prepare
    from improv.engine.engines import keras_engine_of

    device = prepare()
    engine = keras_engine_of(load(find(Settings().model.name)))
    calls = {"default": note(engine), "phrase": phrase(engine)}
    for call in calls.values():
        timed(call, WARM_UP, None)
    known: dict[str, Task] = {
        name: lambda count, period=None, call=call: timed(call, count, period) for name, call in calls.items()
    }
    return known | {"device": lambda: device}


if __name__ == "__main__":
    serve(tasks)
