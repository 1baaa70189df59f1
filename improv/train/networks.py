"""The networks, in Keras; what they weigh goes to and from a model file by the names of `predict.weights`."""

from collections.abc import Callable, Iterator, Mapping

import keras
import numpy as np
from keras import ops

from improv.events import PITCHES
from improv.predict.encoding import COLUMNS, FloatArray
from improv.predict.grid import NO_VELOCITY, TIMES
from improv.predict.weights import (
    CLASSES,
    HEARD,
    HIDDEN,
    INTERVALS,
    OUTPUTS,
    ROWS,
    STYLE,
    TOLD,
    TRACES,
    WIDEST,
    Weights,
    trace_gain,
)

WINDOW = 25
UNITS = 128
LEARNING_RATE = 0.005
LOSS_WEIGHTS = {"pitch": 0.05, "step": 1.0, "duration": 1.0}
# How hard a predicted time below 0 is pushed up.
_PRESSURE = 10.0
# Of the network `lstm`: what the player hears first counts most.
WEIGHTS = {"step": 1.0, "pitch": 1.0, "velocity": 0.5, "duration": 0.5}


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


class Traces(keras.layers.Layer):  # type: ignore[misc]
    """The pitch classes heard so far, fading from note to note: (batch, length) -> (batch, length, 24)."""

    def call(self, classes: keras.KerasTensor) -> keras.KerasTensor:
        """Return a trace for each of TRACES, side by side."""
        length = classes.shape[1]
        age = np.arange(length)[:, None] - np.arange(length)
        heard = ops.one_hot(classes, CLASSES)
        traces = [
            ops.matmul(np.where(age >= 0, fade ** np.maximum(age, 0), 0).astype(np.float32), heard) * trace_gain(fade)
            for fade in TRACES
        ]
        return ops.concatenate(traces, axis=-1)


def lstm(units: int, styles: int, length: int) -> keras.Model:
    """Return the network `lstm`, compiled: sequences of `length` notes, for each the distributions of the next one.

    `heard` (batch, length, 5) and `coming` (batch, length, 4) are in bins (`train.sequences`); a head sees what comes
    only in the parts of the note that are drawn before its own.
    """
    heard = keras.Input((length, COLUMNS + 1), dtype="int32", name="heard")
    coming = keras.Input((length, COLUMNS), dtype="int32", name="coming")
    step, pitch, velocity, duration, style = (heard[..., column] for column in range(COLUMNS + 1))
    before = ops.concatenate([pitch[:, :1], pitch[:, :-1]], axis=1)
    parts = {
        "step": step,
        "pitch": pitch,
        "class": pitch % CLASSES,
        "interval": ops.clip(pitch - before, -WIDEST, WIDEST) + WIDEST,
        "velocity": velocity,
        "duration": duration,
    }
    seen = [_table(f"heard_{part}", ROWS[part], size)(parts[part]) for part, size in HEARD.items()]
    seen.append(_table("style", styles + 1, STYLE)(style))
    traces = Traces()(parts["class"])
    hidden = keras.layers.LSTM(units, return_sequences=True, name="lstm")(ops.concatenate([*seen, traces], axis=-1))
    known = ops.concatenate([hidden, traces], axis=-1)
    drawn = {"step": coming[..., 0], "pitch": coming[..., 1], "velocity": coming[..., 2]}
    outputs = {"step": keras.layers.Dense(TIMES, name="step")(known)}
    for head, size in HIDDEN.items():
        inner = keras.layers.Dense(size, name=f"{head}_hidden")(known)
        for told in TOLD[head]:
            inner = inner + _table(f"{head}_{told}", ROWS[told], size)(drawn[told])
        inner = ops.relu(inner)
        outputs[head] = keras.layers.Dense(OUTPUTS[head], name=head)(inner)
        if head == "pitch":
            intervals = keras.layers.Dense(INTERVALS, name="interval")(inner)
            # The interval that leads from the last pitch to each of the 128.
            leads = ops.expand_dims(-pitch, -1) + np.arange(PITCHES - 1, INTERVALS, dtype=np.int32)
            outputs[head] = outputs[head] + ops.take_along_axis(intervals, leads, axis=-1)
    network = keras.Model([heard, coming], outputs, name="lstm")
    network.compile(
        # The rate is set before every batch.
        optimizer=keras.optimizers.Adam(clipnorm=1.0),
        loss={head: keras.losses.SparseCategoricalCrossentropy(from_logits=True, **_ignored(head)) for head in outputs},
        loss_weights=WEIGHTS,
        jit_compile=False,
    )
    return network


def _table(name: str, rows: int, size: int) -> keras.layers.Embedding:
    return keras.layers.Embedding(rows, size, name=name)


def _ignored(head: str) -> dict[str, int]:
    return {"ignore_class": NO_VELOCITY} if head == "velocity" else {}


NETWORKS: dict[str, Callable[[int], keras.Model]] = {"tutorial": tutorial}

_PARTS = {"LSTM": ("kernel", "recurrent", "bias"), "Dense": ("kernel", "bias"), "Embedding": ("table",)}


def tensors(network: keras.Model) -> dict[str, FloatArray]:
    """Return a network's weights by the names a model file gives them."""
    return {name: np.asarray(variable, np.float32) for name, variable in _variables(network)}


def fill(network: keras.Model, named: Mapping[str, FloatArray]) -> None:
    """Put weights into a network, by the names a model file gives them."""
    for name, variable in _variables(network):
        variable.assign(named[name])


def restore(weights: Weights, length: int = WINDOW) -> keras.Model:
    """Return the Keras network of a model file; of `lstm`, one for sequences of `length` notes."""
    card = weights.card
    if card.network == "lstm":
        network = lstm(card.units, len(card.styles), length)
    else:
        network = NETWORKS[card.network](card.units)
    fill(network, weights.tensors)
    return network


def _variables(network: keras.Model) -> Iterator[tuple[str, keras.Variable]]:
    for layer in network.layers:
        parts = _PARTS.get(type(layer).__name__, ())
        for part, variable in zip(parts, layer.weights, strict=False):
            yield f"{layer.name}.{part}", variable
