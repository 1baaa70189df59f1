"""The name by which others still know it."""

from improv.predict.sequence_engine import MIN_DURATION_S
from improv.predict.sequence_engine import SequenceEngine as LstmEngine

__all__ = ["MIN_DURATION_S", "LstmEngine"]
