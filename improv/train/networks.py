"""The networks, in Keras; what they weigh goes to and from a model file by the names of `predict.weights`."""

from collections.abc import Callable, Iterator, Mapping

import keras
import numpy as np
from keras import ops

from improv.events import PITCHES
from improv.predict.encoding import FloatArray
from improv.predict.weights import Weights

WINDOW = 25
UNITS = 128
LEARNING_RATE = 0.005
LOSS_WEIGHTS = {"pitch": 0.05, "step": 1.0, "duration": 1.0}
# How hard a predicted time below 0 is pushed up.
_PRESSURE = 10.0


def mse_with_positive_pressure(true: keras.KerasTensor, predicted: keras.KerasTensor) -> keras.KerasTensor:
    """Return the mean squared error of a time in seconds, plus a pressure to stay positive."""
    return ops.mean(ops.square(true - predicted) + _PRESSURE * ops.maximum(-predicted, 0.0))


def tutorial(units: int = UNITS) -> keras.Model:
    """Return the tutorial's network, compiled: 25 notes into one LSTM, out of it pitch, step and duration."""
    notes = keras.Input((WINDOW, 3), name="notes")
    # Unrolled, an epoch takes two thirds of the time on a CPU; the weights are the same.
    hidden = keras.layers.LSTM(units, unroll=True, name="lstm")(notes)
    heads = {"pitch": PITCHES, "step": 1, "duration": 1}
    network = keras.Model(
        notes, {name: keras.layers.Dense(size, name=name)(hidden) for name, size in heads.items()}, name="tutorial"
    )
    network.compile(
        optimizer=keras.optimizers.Adam(LEARNING_RATE),
        loss={
            "pitch": keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            "step": mse_with_positive_pressure,
            "duration": mse_with_positive_pressure,
        },
        loss_weights=LOSS_WEIGHTS,
        # One compiled graph a batch; XLA on top of it measured slower here.
        jit_compile=False,
    )
    return network


NETWORKS: dict[str, Callable[[int], keras.Model]] = {"tutorial": tutorial}

_LSTM, _DENSE = ("kernel", "recurrent", "bias"), ("kernel", "bias")


def tensors(network: keras.Model) -> dict[str, FloatArray]:
    """Return a network's weights by the names a model file gives them."""
    return {name: np.asarray(variable, np.float32) for name, variable in _variables(network)}


def fill(network: keras.Model, named: Mapping[str, FloatArray]) -> None:
    """Put weights into a network, by the names a model file gives them."""
    for name, variable in _variables(network):
        variable.assign(named[name])


def restore(weights: Weights) -> keras.Model:
    """Return the Keras network of a model file."""
    network = NETWORKS[weights.card.network](weights.card.units)
    fill(network, weights.tensors)
    return network


def _variables(network: keras.Model) -> Iterator[tuple[str, keras.Variable]]:
    for layer in network.layers:
        parts = _LSTM if layer.name == "lstm" else _DENSE
        for part, variable in zip(parts, layer.weights, strict=False):
            yield f"{layer.name}.{part}", variable
