"""The networks, in Keras, on any of its backends: one table, NETWORKS.

What they weigh goes to and from a model file by the names of `predict.weights`. The tutorial's foresees the note after
a window; the others foresee every note of a sequence, and differ in the body between what is heard and their heads.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import keras
import numpy as np
from keras import ops

from improv.events import PITCHES
from improv.predict.encoding import COLUMNS, FloatArray
from improv.predict.grid import NO_VELOCITY, TIMES
from improv.predict.weights import (
    CLASSES,
    DILATIONS,
    HEARD,
    HIDDEN,
    INTERVALS,
    LAYERS,
    OUTPUTS,
    REACH,
    ROWS,
    STYLE,
    TOLD,
    TRACES,
    WIDEST,
    Weights,
    gated_units,
    trace_gain,
)

WINDOW = 25
LEARNING_RATE = 0.005
LOSS_WEIGHTS = {"pitch": 0.05, "step": 1.0, "duration": 1.0}
# How hard a predicted time below 0 is pushed up.
_PRESSURE = 10.0
# Of the others: what the player hears first counts most.
WEIGHTS = {"step": 1.0, "pitch": 1.0, "velocity": 0.5, "duration": 0.5}


def mse_with_positive_pressure(true: keras.KerasTensor, predicted: keras.KerasTensor) -> keras.KerasTensor:
    """Return the mean squared error of a time in seconds, plus a pressure to stay positive."""
    return ops.mean(ops.square(true - predicted) + _PRESSURE * ops.maximum(-predicted, 0.0))


def tutorial(units: int = 128) -> keras.Model:
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
        jit_compile=_jit(),
    )
    return network


# From what is heard (batch, length, n), and how many units, to (batch, length, units).
Body = Callable[[keras.KerasTensor, int], keras.KerasTensor]


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


def _lstm(heard: keras.KerasTensor, units: int) -> keras.KerasTensor:
    """Return the body of `lstm`: one LSTM."""
    return keras.layers.LSTM(units, return_sequences=True, name="lstm")(heard)


def _conv(heard: keras.KerasTensor, units: int) -> keras.KerasTensor:
    """Return the body of `conv`: causal convolutions one over the other, each adding to what it reads."""
    hidden = keras.layers.Dense(units, name="front")(heard)
    for at in range(1, LAYERS + 1):
        # Causal: before the first note there is nothing, zeros, as a state that has heard nothing yet.
        found = keras.layers.Conv1D(units, REACH, padding="causal", activation="relu", name=f"conv{at}")(hidden)
        hidden = hidden + found
    return hidden


def _wavenet(heard: keras.KerasTensor, units: int) -> keras.KerasTensor:
    """Return the body of `wavenet`: gated convolutions that look further and further back, twice, all of them heard."""
    inner = gated_units(units)
    hidden = keras.layers.Dense(inner, name="front")(heard)
    skips = []
    for at, dilation in enumerate(DILATIONS, 1):
        both = keras.layers.Conv1D(2 * inner, 2, dilation_rate=dilation, padding="causal", name=f"gated{at}")(hidden)
        found = ops.tanh(both[..., :inner]) * ops.sigmoid(both[..., inner:])
        skips.append(keras.layers.Dense(units, use_bias=False, name=f"skip{at}")(found))
        if at < len(DILATIONS):
            hidden = hidden + keras.layers.Dense(inner, name=f"residual{at}")(found)
    return ops.relu(sum(skips[1:], skips[0]))


def sequence(name: str, body: Body, units: int, styles: int, length: int) -> keras.Model:
    """Return a network that reads sequences, compiled: after each of `length` notes, the distributions of the next one.

    `heard` (batch, length, 5) and `coming` (batch, length, 4) are in bins (`train.sequences`); a head sees what comes
    only in the parts of the note that are drawn before its own.
    """
    heard = keras.Input((length, COLUMNS + 1), dtype="int32", name="heard")
    coming = keras.Input((length, COLUMNS), dtype="int32", name="coming")
    inputs, traces = _inputs(heard, styles)
    hidden = body(ops.concatenate([*inputs, traces], axis=-1), units)
    outputs = _heads(ops.concatenate([hidden, traces], axis=-1), heard[..., 1], coming)
    network = keras.Model([heard, coming], outputs, name=name)
    network.compile(
        # The rate is set before every batch.
        optimizer=keras.optimizers.Adam(clipnorm=1.0),
        loss={head: keras.losses.SparseCategoricalCrossentropy(from_logits=True, **_ignored(head)) for head in outputs},
        loss_weights=WEIGHTS,
        jit_compile=_jit(),
    )
    return network


def _inputs(heard: keras.KerasTensor, styles: int) -> tuple[list[keras.KerasTensor], keras.KerasTensor]:
    """Return what is heard of each note, a vector a part, and the traces of the pitch classes."""
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
    return seen, Traces()(parts["class"])


def _heads(
    known: keras.KerasTensor, pitch: keras.KerasTensor, coming: keras.KerasTensor
) -> dict[str, keras.KerasTensor]:
    """Return the logits of each part of the next note, each given the parts before it; `pitch`: the last one's."""
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
    return outputs


def _table(name: str, rows: int, size: int) -> keras.layers.Embedding:
    return keras.layers.Embedding(rows, size, name=name)


def _ignored(head: str) -> dict[str, int]:
    return {"ignore_class": NO_VELOCITY} if head == "velocity" else {}


def _jit() -> bool:
    """Whether XLA compiles a batch: JAX needs it; TensorFlow has its own graph, and measured slower with it here."""
    return str(keras.backend.backend()) != "tensorflow"


@dataclass(frozen=True, slots=True)
class Network:
    """A row of the table. `units`: its size where none is given; `sequences`: trained on them, else on windows.

    `build` (units, styles, length) returns it compiled. The tutorial's has no styles, and its length is WINDOW.
    """

    units: int
    sequences: bool
    build: Callable[[int, int, int], keras.Model]


NETWORKS = {
    "tutorial": Network(128, sequences=False, build=lambda units, _styles, _length: tutorial(units)),
    "lstm": Network(384, sequences=True, build=partial(sequence, "lstm", _lstm)),
    "conv": Network(192, sequences=True, build=partial(sequence, "conv", _conv)),
    "wavenet": Network(256, sequences=True, build=partial(sequence, "wavenet", _wavenet)),
}

_PARTS = {
    "LSTM": ("kernel", "recurrent", "bias"),
    "Dense": ("kernel", "bias"),
    "Conv1D": ("kernel", "bias"),
    "Embedding": ("table",),
}


def tensors(network: keras.Model) -> dict[str, FloatArray]:
    """Return a network's weights by the names a model file gives them."""
    return {name: np.asarray(variable, np.float32) for name, variable in _variables(network)}


def fill(network: keras.Model, named: Mapping[str, FloatArray]) -> None:
    """Put weights into a network, by the names a model file gives them."""
    for name, variable in _variables(network):
        variable.assign(named[name])


def restore(weights: Weights, length: int = WINDOW) -> keras.Model:
    """Return the Keras network of a model file for sequences of `length` notes; the tutorial's always sees 25."""
    card = weights.card
    network = NETWORKS[card.network].build(card.units, len(card.styles), length)
    fill(network, weights.tensors)
    return network


def _variables(network: keras.Model) -> Iterator[tuple[str, keras.Variable]]:
    for layer in network.layers:
        parts = _PARTS.get(type(layer).__name__, ())
        for part, variable in zip(parts, layer.weights, strict=False):
            yield f"{layer.name}.{part}", variable
