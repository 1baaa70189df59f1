"""improv: a musician that sits in."""

__version__ = "0.1.0"
