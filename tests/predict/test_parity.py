"""The numpy engine and Keras play from the same weights: their outputs agree over a whole performance."""

from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

import improv
from improv.predict.encoding import tutorial_features
from improv.predict.numpy_engine import NumpyEngine
from improv.predict.weights import find, load

# A performance of the validation split of pianolatron, which no network was trained on.
HELD_OUT = Path(improv.__file__).parent / "assets" / "demo.mid"
COUNT = 2000
TOLERANCE = 1e-5

pytestmark = pytest.mark.tensorflow


@pytest.fixture(scope="module")
def windows():
    # A corpus reader and five seconds of Keras, for these tests alone.
    notes = import_module("improv.train.midi").read_notes(HELD_OUT)
    return notes[np.arange(COUNT)[:, None] + np.arange(25)]


@pytest.fixture(scope="module")
def expected(windows):
    network = import_module("improv.train.networks").restore(load(find("tutorial")))
    return network.predict(tutorial_features(windows), batch_size=500, verbose=0)


def test_the_numpy_engine_matches_keras_on_every_head(windows, expected):
    engine = NumpyEngine(load(find("tutorial")))
    found = [engine.heads(engine.prime(window)) for window in windows]
    for at, head in enumerate(("pitch", "step", "duration")):
        heads = np.stack([outputs[at].ravel() for outputs in found])
        assert np.abs(heads - expected[head]).max() <= TOLERANCE, head
