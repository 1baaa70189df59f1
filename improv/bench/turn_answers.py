"""Whether answers are in time and how fast they yield: the musician and the gate play a few calls in simulated time.

The numpy engine writes the answers; how long it really takes is the only thing that is measured on this machine.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf

from improv.bench.figures import Limit, Row, judged, not_run, spread
from improv.bench.turn_taking import pause_after
from improv.clock import now
from improv.daemon import HELD_PATIENCE_S
from improv.events import decode
from improv.musician import Musician
from improv.play.gate import Action, Gate
from improv.play.schedule import Send
from improv.play.turns import lateness, timed
from improv.ports.link import Plan, Yielded
from improv.sessions.performance import Call

IN_TIME = "notes of answers sent in time: their answer lay ready at the end of the phrase"
STALENESS = "age of what an answer was thought out from, when it begins"
YIELD = "player's note in to our last note-off, simulated"

_SEED = 1
_CHANNEL = 0
# The player cuts in on every second answer, within this share of it.
_CUT_WITHIN = 0.8


@dataclass(slots=True)
class Turns:
    """What was seen: notes sent in time and others, ages of windows and times to yield (seconds)."""

    in_time: int
    others: int
    ages: list[float]
    yields: list[float]

    @classmethod
    def none(cls) -> "Turns":
        """Return that nothing was seen yet."""
        return cls(0, 0, [], [])


class Stage:
    """A musician behind a gate, and a player. `wait` is how long the engine takes at each answer, in seconds."""

    def __init__(self, musician: Musician, gate: Gate, fade: float) -> None:
        self.seen = Turns.none()
        self._musician = musician
        self._gate = gate
        self._fade = fade
        self._dice = random.Random(_SEED)  # noqa: S311 - moments, not secrets
        self._turn = 0
        self._ready: tuple[float, Plan, float, float] | None = None  # when, what, its shift, when its window ended
