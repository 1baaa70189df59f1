"""Which of Keras' engines plays which network."""

from improv.engine.backend import be_exact
from improv.engine.bodies import Convolutions, Gated, Lstm
from improv.engine.distributions import DistributionsEngine
from improv.engine.tutorial import TutorialEngine
from improv.predict.engine import Engine
from improv.predict.weights import Weights, check_style

BODIES = {"lstm": Lstm, "conv": Convolutions, "wavenet": Gated}


def keras_engine_of(weights: Weights, style: str | None = None, *, fused: bool = True) -> Engine:
    """Return Keras' engine for a model's network. Raise ModelError if it has no such `style`.

    It foresees what the numpy engine foresees, to rounding, and draws by the same rules from the same numbers.
    """
    be_exact()
    check_style(weights.name, weights.card, style)
    if weights.card.network in BODIES:
        return DistributionsEngine(weights, BODIES[weights.card.network], style=style, fused=fused)
    return TutorialEngine(weights, fused=fused)
