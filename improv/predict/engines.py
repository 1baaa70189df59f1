"""Which engine plays which network."""

from improv.errors import ModelError
from improv.predict.engine import Engine
from improv.predict.lstm_engine import SequenceEngine
from improv.predict.numpy_engine import NumpyEngine
from improv.predict.weights import Weights


def engine_of(weights: Weights, style: str | None = None) -> Engine:
    """Return the numpy engine for a model's network, as its file says.

    `style`: one of the card's, None for none in particular. Raises ModelError for another.
    """
    if weights.card.network != "tutorial":
        return SequenceEngine(weights, style=style)
    if style is not None:
        raise ModelError(f"{weights.name} has no styles to choose from, so none named {style!r}")
    return NumpyEngine(weights)
