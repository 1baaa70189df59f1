"""The engine of the networks of sequences and Keras foresee the same, note for note, over 2,000 carried steps."""

from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

import improv
from improv.predict.bins import DURATION_BIN, PITCH_BIN, STEP_BIN, VELOCITY_BIN, binned
from improv.predict.sequence_engine import SequenceEngine
from improv.predict.weights import Card, Weights, find, load, sequence_shapes

HELD_OUT = Path(improv.__file__).parent / "assets" / "demo.mid"
COUNT = 2000
TOLERANCE = 1e-5

pytestmark = pytest.mark.tensorflow


def log_p(logits):
    logits = np.asarray(logits, np.float64)
    return logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)


def weights_of(network):
    """The shipped weights of lstm, else random ones of the size that the layers of a new network have."""
    if network == "lstm":
        return load(find("lstm"))
    units = import_module("improv.train.networks").NETWORKS[network].units
    rng = np.random.default_rng(4)
    tensors = {
        name: rng.normal(0, 0.1 if name.endswith("bias") else np.prod(shape[:-1]) ** -0.5, shape).astype(np.float32)
        for name, shape in sequence_shapes(network, units, 2).items()
    }
    return Weights("random", Card(network, 25, units, carry=True, styles=("calm", "wild")), tensors, "")


@pytest.mark.parametrize("network", ["lstm", "conv", "wavenet"])
def test_the_engine_matches_keras_over_2000_carried_notes(network):
    weights = weights_of(network)
    notes = import_module("improv.train.midi").read_notes(HELD_OUT)[: COUNT + 1]
    notes[0, 1] = 0
    sequences = import_module("improv.train.sequences")
    heard, coming = sequences.heard_and_coming(notes[None], np.zeros(1, np.int32))
    keras = import_module("improv.train.networks").restore(weights, COUNT)
    expected = {head: np.asarray(logits)[0] for head, logits in keras.predict_on_batch([heard, coming]).items()}

    engine = SequenceEngine(weights)
    found = {head: [] for head in expected}
    bins = binned(notes).astype(np.int64)
    state = engine.prime(notes[:1])
    for at in range(COUNT):
        if at:
            state = engine.advance(state, notes[at : at + 1])
        known, following = engine.heads(state), bins[at + 1 : at + 2]
        found["step"].append(known[0, : expected["step"].shape[1]])
        found["pitch"].append(engine.pitch_logits(state, known, following)[0])
        found["velocity"].append(engine.velocity_logits(known, following)[0])
        found["duration"].append(engine.duration_logits(known, following)[0])
    assert {STEP_BIN, PITCH_BIN, VELOCITY_BIN, DURATION_BIN} == {0, 1, 2, 3}
    for head, logits in expected.items():
        ours, theirs = np.exp(log_p(np.stack(found[head]))), np.exp(log_p(logits))
        assert np.abs(ours - theirs).max() <= TOLERANCE, head
