"""Which engine plays which network."""

from improv.predict.engine import Engine
from improv.predict.lstm_engine import SequenceEngine
from improv.predict.numpy_engine import NumpyEngine
from improv.predict.weights import Weights


def engine_of(weights: Weights) -> Engine:
    """Return the numpy engine for a model's network, as its file says."""
    return NumpyEngine(weights) if weights.card.network == "tutorial" else SequenceEngine(weights)
