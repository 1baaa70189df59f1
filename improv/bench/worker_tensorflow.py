"""Worker: the tutorial's network in TensorFlow, by `model.predict` as in the tutorial, and compiled."""

import os
from collections.abc import Callable, Mapping

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

from improv.bench.worker import Task, serve
from improv.bench.worker_engine import WARM_UP, heard, timed
from improv.events import PITCHES
from improv.predict.encoding import tutorial_features
from improv.predict.weights import find, load


def tasks() -> Mapping[str, Task]:
    """Return what can be asked: each (count) -> list of ms. Raises ImportError without TensorFlow."""
    import keras
    import tensorflow as tf

    from improv.train.networks import fill, restore

    weights = load(find("tutorial"))
    notes = keras.Input((weights.card.window, 3))
    hidden = keras.layers.LSTM(weights.card.units, name="lstm")(notes)
    sizes = {"pitch": PITCHES, "step": 1, "duration": 1}
    tutorial = keras.Model(notes, {name: keras.layers.Dense(size, name=name)(hidden) for name, size in sizes.items()})
    fill(tutorial, weights.tensors)
    window = tutorial_features(heard(weights.card.window))[None]

    def compiled(network: keras.Model) -> Callable[[], object]:
        function = tf.function(lambda inputs: network(inputs, training=False))
        return lambda: {name: head.numpy() for name, head in function(tf.constant(window)).items()}

    calls: dict[str, Callable[[], object]] = {
        "predict": lambda: tutorial.predict(window, verbose=0),
        "compiled": compiled(tutorial),
        "unrolled": compiled(restore(weights)),  # as we train it
    }
    for name, call in calls.items():
        timed(call, 3 if name == "predict" else WARM_UP, None)
    return {name: lambda count, call=call: timed(call, count, None) for name, call in calls.items()}


if __name__ == "__main__":
    serve(tasks)
