"""What an engine is: something that has heard notes, and draws the one that could come next."""

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from improv.predict.encoding import FloatArray
from improv.predict.memory import Recall


@dataclass(frozen=True, slots=True)
class Taste:
    """How notes are drawn. The pitch register is `lowest` to `highest`, both within.

    `elapsed_s`: seconds already gone since the last onset; the next step is drawn knowing that it is no shorter.
    `bias`: a log-weight for each pitch class from C on, 0 as the model thinks, below 0 less likely; None: none at all.
    `density`: above 1 more notes a second than the model would play, below 1 fewer (0.25 to 4); how many is its own.
    """

    temperature: float = 1.0
    top_p: float = 0.95
    lowest: int = 28
    highest: int = 100
    elapsed_s: float = 0.0
    bias: tuple[float, ...] | None = None
    density: float = 1.0

    def after(self, elapsed_s: float) -> "Taste":
        """Return this taste `elapsed_s` seconds after the last onset."""
        return replace(self, elapsed_s=elapsed_s)


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """Which model plays. `hash`: sha256 of its file; `carries`: its state goes on beyond the window."""

    name: str
    network: str
    window: int
    hash: str
    carries: bool
    has_velocity: bool


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """What an engine has heard, for each candidate of a batch. Never written to once made.

    `notes` (batch, n, 4): as many of the last notes as the engine still needs, none where the state says it all;
    `hidden` (batch, units, or more), `cell` (batch, whatever else the network carries). `recall`: what comes to mind of
    the player, for engines that mix it in; put there after `prime`, it goes on with the state.
    """

    notes: FloatArray
    hidden: FloatArray
    cell: FloatArray
    recall: Recall | None = None

    def chosen(self, which: NDArray[np.int64]) -> "State":
        """Return the state of those of the candidates, in that order, in arrays of numpy's."""
        recall = None if self.recall is None else self.recall.chosen(which)
        return State(self.notes[which], np.asarray(self.hidden)[which], np.asarray(self.cell)[which], recall)


class Engine(Protocol):
    """Draws the next note from a model. One owner: an engine computes in buffers of its own.

    The same arguments give the same result.
    """

    info: ModelInfo

    def prime(self, notes: FloatArray, batch: int = 1) -> State:
        """Return the state after `notes` (n >= 1, 4), of which the last `info.window` count, for `batch` candidates."""

    def advance(self, state: State, notes: FloatArray) -> State:
        """Return the state after one more note for each candidate: `notes` (batch, 4)."""

    def draw(self, state: State, uniforms: FloatArray, taste: Taste) -> FloatArray:
        """Return a next note for each candidate (batch, 4), from `uniforms` (batch, 4) in [0, 1).

        The velocity is NaN where the model has none.
        """
