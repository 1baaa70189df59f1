"""improv: a musician that sits in."""
