"""The modes: when the machine plays next, for how long, and whether it gives way. Pure policies, one beside the other.

Each looks at the same `Scene` and says what should be written next, as a `Cue`. Times are seconds of the session clock.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from math import floor

from improv.beat import Grid
from improv.listen.phrase import Call
from improv.play.turns import LEAD_S, STALE_S, AnswerLimits
from improv.settings import Mode

# A part of a stream (solo, duet) is this long, and it is written this long before it is due.
PART_S = 1.0
AHEAD_S = 0.35
# A duet begins once this many notes show what is played, and goes on for so long after the player has stopped.
DUET_NOTES = 3
LINGER_S = 1.5
# An answer for a trade is thought of from this long before it is due; the player is still playing.
TRADE_AHEAD_S = 4.0
# In bars, an answer longer than this is made of whole ones.
_BARS_FROM = 1.5


@dataclass(frozen=True, slots=True)
class Cue:
    """Something to be written: notes from `start` on, for about `length` seconds.

    `number` names the occasion: one thing is played for each. `ask_at`: not to be thought of earlier. `yields`: a note
    of the player's ends it. `opens`: its first note falls on its first moment. `streams`: it is a part of something
    that goes on; `joins`: it goes on from the part before.
    """

    number: int
    start: float
    length: float
    ask_at: float = 0.0
    yields: bool = True
    opens: bool = True
    streams: bool = False
    joins: bool = False


@dataclass(frozen=True, slots=True)
class Scene:
    """What a mode decides upon.

    `deadline`: when the player's phrase ends, or ended. `every`: beats between the lines on which answers begin.
    `spent`: the number of the last phrase that has had its turn. `until`: the end of what has been planned of the
    stream under way, None: there is none. `parts`: parts played so far. `origin`: the beat with which a trade began,
    and `span` the beats of a turn of it.
    """

    now: float
    call: Call | None
    deadline: float | None
    grid: Grid | None
    every: float
    limits: AnswerLimits
    spent: int = 0
    until: float | None = None
    parts: int = 0
    origin: float | None = None
    span: float = 16.0


def answer(scene: Scene) -> Cue | None:
    """Call and response: the answer begins when the phrase has ended or, with a beat, on the next line after that."""
    call, deadline = scene.call, scene.deadline
    if call is None or deadline is None or call.number <= scene.spent:
        return None
    return Cue(call.number, _on_line(deadline, scene), _length(scene.limits.length(call), scene.grid))


def solo(scene: Scene) -> Cue | None:
    """Carry on after the player has stopped, a part at a time, until the player plays."""
    if scene.until is not None:
        return _part(scene, scene.until, yields=True)
    call, deadline = scene.call, scene.deadline
    if call is None or deadline is None or call.number <= scene.spent:
        return None
    start = _on_line(max(deadline, scene.now + LEAD_S if deadline < scene.now - STALE_S else deadline), scene)
    # Its number is none of a part's: it may be written anew until it begins.
    return Cue(-call.number, start, _part_length(scene), streams=True)


def duet(scene: Scene) -> Cue | None:
    """Play while the player plays, a part at a time."""
    call, deadline = scene.call, scene.deadline
    if call is None or deadline is None or scene.now > deadline + LINGER_S:
        return None
    if scene.until is not None:
        return _part(scene, scene.until, yields=False)
    if call.notes < DUET_NOTES or call.number <= scene.spent:
        return None
    return _part(scene, _on_line(scene.now + AHEAD_S, scene), yields=False)


def trade(scene: Scene) -> Cue | None:
    """Bars in turn, on the beat: the player's first, then ours. Nobody is interrupted."""
    grid, origin = scene.grid, scene.origin
    if grid is None or origin is None or scene.call is None:
        return None
    period = max(0, floor((grid.beat_at(scene.now) - origin) / scene.span))
    ours = period + 1 if period % 2 == 0 else period + 2
    start = grid.time_at(origin + ours * scene.span)
    return Cue(
        ours, start, scene.span * grid.period, ask_at=max(start - TRADE_AHEAD_S, grid.time_at(origin)), yields=False
    )


def listen(_scene: Scene) -> Cue | None:
    """Hear, and be silent."""
    return None


POLICIES: dict[Mode, Callable[[Scene], Cue | None]] = {
    "answer": answer,
    "duet": duet,
    "trade": trade,
    "solo": solo,
    "listen": listen,
}


class Leaving(Enum):
    """What becomes of the turn under way when the mode changes. A note that sounds is never cut: it ends by itself."""

    FINISH = "what is planned is played"
    DROP = "nothing more begins"


_FINISH, _DROP = Leaving.FINISH, Leaving.DROP
# From the mode of the row to that of the column. Only what the new mode would play too goes on.
TRANSITIONS: dict[Mode, dict[Mode, Leaving]] = {
    "answer": {"answer": _FINISH, "duet": _DROP, "trade": _DROP, "solo": _FINISH, "listen": _DROP},
    "duet": {"answer": _DROP, "duet": _FINISH, "trade": _DROP, "solo": _DROP, "listen": _DROP},
    "trade": {"answer": _DROP, "duet": _DROP, "trade": _FINISH, "solo": _DROP, "listen": _DROP},
    "solo": {"answer": _FINISH, "duet": _DROP, "trade": _DROP, "solo": _FINISH, "listen": _DROP},
    "listen": {"answer": _FINISH, "duet": _FINISH, "trade": _FINISH, "solo": _FINISH, "listen": _FINISH},
}


def lateness(cue: Cue, scene: Scene) -> float | None:
    """Return by how many seconds what is ready at `scene.now` must be moved past its start; None if it is too late.

    It moves as a whole, its notes are never bunched: with a beat to the next beat or bar, late but in time.
    """
    late = scene.now + LEAD_S - cue.start
    if late <= 0:
        return 0.0
    if scene.grid is None:
        return late if late <= STALE_S or cue.streams else None
    every = 1.0 if cue.joins else scene.every
    line = scene.grid.time_at(scene.grid.next(cue.start + late, every))
    return line - cue.start if late <= max(STALE_S, scene.grid.bar * scene.grid.period) or cue.streams else None


def moved(cue: Cue, before: Grid | None, after: Grid | None) -> Cue:
    """Return `cue` at the same place in beats, the beat having moved from one grid to the other meanwhile."""
    if before is None or after is None or before == after:
        return cue
    return replace(cue, start=before.moves(cue.start, after))


def _on_line(at: float, scene: Scene) -> float:
    return at if scene.grid is None else scene.grid.time_at(scene.grid.next(at, scene.every))


def _length(seconds: float, grid: Grid | None) -> float:
    """Return a length in whole beats, or bars, where there is a beat."""
    if grid is None:
        return seconds
    beats = max(1, round(seconds / grid.period))
    if beats > _BARS_FROM * grid.bar:
        beats = round(beats / grid.bar) * grid.bar
    return beats * grid.period


def _part_length(scene: Scene) -> float:
    if scene.grid is None:
        return PART_S
    return max(1, round(PART_S / scene.grid.period)) * scene.grid.period


def _part(scene: Scene, start: float, *, yields: bool) -> Cue:
    joins = scene.until is not None
    return Cue(
        scene.parts + 1,
        start,
        _part_length(scene),
        ask_at=start - AHEAD_S,
        yields=yields,
        opens=False,
        streams=True,
        joins=joins,
    )
