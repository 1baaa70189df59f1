"""Which engine plays which network."""

from improv.predict.engine import Engine
from improv.predict.numpy_engine import NumpyEngine
from improv.predict.sequence_engine import SequenceEngine
from improv.predict.weights import Weights, check_style


def engine_of(weights: Weights, style: str | None = None) -> Engine:
    """Return the numpy engine for a model's network, as its file says. Raise ModelError if it has no such `style`."""
    check_style(weights.name, weights.card, style)
    return NumpyEngine(weights) if weights.card.network == "tutorial" else SequenceEngine(weights, style=style)
