"""Which engine plays which network."""

from improv.predict.engine import Engine
from improv.predict.numpy_engine import NumpyEngine
from improv.predict.sequence_engine import SequenceEngine
from improv.predict.weights import Weights, check_style


def in_style(engine: Engine, style: str | None) -> Engine:
    """Return an engine that plays the same weights in another of their styles; one that knows no styles, as it is."""
    return engine.in_style(style) if isinstance(engine, SequenceEngine) else engine


def engine_of(weights: Weights, style: str | None = None) -> Engine:
    """Return the numpy engine for a model's network, as its file says. Raise ModelError if it has no such `style`."""
    check_style(weights.name, weights.card, style)
    return NumpyEngine(weights) if weights.card.network == "tutorial" else SequenceEngine(weights, style=style)
