"""How long a silence is long for this player: learned from the silences that were none of their ends."""

from math import exp, log, sqrt
from typing import NamedTuple

# Before the player has shown this many steps, a silence of so many seconds ends the phrase.
_STEPS_NEEDED = 4
_UNKNOWN_S = 0.8
# The weight of what is assumed of everybody, where a full memory weighs 1.
_ASSUMED = 0.1
# Shorter times than this (seconds) are all the same, and so are longer ones.
_SHORTEST_S, _LONGEST_S = 0.02, 3.0
_LONGEST_SILENCE_S = 1.5
# So large a share of all notes is taken as detached where none was: its logarithm is wanted.
_DETACHED = 0.03


class Signs(NamedTuple):
    """What tells, when the last key comes up, whether more is to come.

    `silence`: log of the root mean square of the silences within phrases (seconds), 0 s where notes are tied;
    `detached`: log of the share of the last few notes that came after a silence; `unevenness`: standard deviation of
    the last steps' logs; `held`: log of the time from the last onset to the last release (seconds).
    """

    silence: float
    detached: float
    unevenness: float
    held: float


# Of the threshold's logarithm: fitted to performances for training (docs/turn-taking.md).
CONSTANT = 0.242
WEIGHTS = Signs(0.408, 0.232, 0.578, -0.114)


class _Mean:
    """The mean of what was added; each addition takes away the share 1 - `keep` of the weight of all before."""

    def __init__(self, keep: float, assumed: float) -> None:
        self._keep = keep
        self._assumed = assumed
        self._sum = self._weight = 0.0

    def add(self, value: float) -> None:
        self._sum = self._keep * self._sum + (1 - self._keep) * value
        self._weight = self._keep * self._weight + (1 - self._keep)

    @property
    def value(self) -> float:
        return (self._sum + _ASSUMED * self._assumed) / (self._weight + _ASSUMED)


class Patience:
    """Remember how a player goes from note to note, and say how long a silence may last before the phrase is over.

    Feed it each step within a phrase. A player who ties all notes and lifts all keys has ended; a player who often
    rests, or plays unevenly, is given time; after a note that was held long the end is near.
    """

    def __init__(self) -> None:
        self._steps = 0
        # What is assumed: silences of 0.1 s, every second note detached, steps of about 0.3 s.
        self._square = _Mean(0.985, 0.01)
        self._detached = _Mean(0.70, 0.5)
        self._pace = _Mean(0.85, -1.2)
        self._pace_square = _Mean(0.85, 1.6)

    def feed(self, step: float, silence: float) -> None:
        """Learn from a step within a phrase and the silence in it, 0 if a key was down (seconds)."""
        self._steps += 1
        pace = _log(step)
        self._pace.add(pace)
        self._pace_square.add(pace * pace)
        self._square.add(min(silence, _LONGEST_SILENCE_S) ** 2)
        self._detached.add(float(silence > 0))

    def signs(self, held: float) -> Signs:
        """Return what is known once all keys are up, the last onset being `held` seconds ago."""
        variance = self._pace_square.value - self._pace.value**2
        return Signs(
            _log(sqrt(self._square.value)),
            log(self._detached.value + _DETACHED),
            sqrt(max(variance, 0.0)),
            _log(held),
        )

    def threshold(self, held: float) -> float:
        """Return how long a silence ends the phrase (seconds), the last onset being `held` seconds before it."""
        if self._steps < _STEPS_NEEDED:
            return _UNKNOWN_S
        return exp(CONSTANT + sum(weight * sign for weight, sign in zip(WEIGHTS, self.signs(held), strict=True)))


def _log(seconds: float) -> float:
    return log(min(max(seconds, _SHORTEST_S), _LONGEST_S))
