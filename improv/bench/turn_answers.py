"""Whether answers are in time, how old they are and how fast they yield: musician and gate play in simulated time.

The numpy engine writes the answers; how long that takes on this machine is measured, in processor time, so that what
else the machine does does not count.
"""

import random
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import inf
from pathlib import Path

from improv.bench.calls import listed
from improv.bench.figures import Limit, Row, judged, not_run, spread
from improv.bench.turn_taking import chosen, pause_after
from improv.brain import HELD_PATIENCE_S
from improv.daemon import load_engine
from improv.errors import CorpusError
from improv.events import decode
from improv.musician import Manner, Musician
from improv.play.gate import Action, Gate, policy_of
from improv.play.modes import lateness
from improv.play.schedule import Send
from improv.play.turns import timed
from improv.ports.link import Heard, Plan, Yielded
from improv.sessions.performance import Call, calls, load
from improv.settings import Settings

IN_TIME = "notes of answers sent in time: the answer lay ready when its moment came"
STALENESS = "age of the window that an answer was thought out from, when it begins"
YIELD = "player's note in to our last note-off"

_SEED = 1
# Of so many files of a folder, so many calls from the middle.
_FILES, _CALLS = 4, 6
_PORT = "player"
# The player waits for every second answer only, and plays into the others.
_PLAYED_INTO = 2


@dataclass(slots=True)
class Seen:
    """Notes sent in time and others, ages of windows and times to yield (seconds)."""

    in_time: int = 0
    others: int = 0
    ages: list[float] = field(default_factory=list)
    yields: list[float] = field(default_factory=list)


class Stage:
    """A musician behind a gate, in simulated time. `waited` is what tells how long an answer takes to write (seconds).

    Only answers whose moment comes are thought out: others are replaced before they begin.
    """

    def __init__(self, musician: Musician, gate: Gate, waited: Callable[[], float] = time.thread_time) -> None:
        self.seen = Seen()
        self._musician = musician
        self._gate = gate
        self._waited = waited
        self._dice = random.Random(_SEED)  # noqa: S311 - moments, not secrets
        self._turn = 0
        self._until = 0.0  # when the answer under way ends
        self._shifts: dict[int, float] = {}

    def play(self, phrases: Iterable[Call]) -> None:
        """Play the calls, each followed by an answer; into every second one the next call comes."""
        start = 0.0
        for number, phrase in enumerate(phrases):
            moments = [start + at for at, _ in phrase.events]
            for (_, data), (at, until) in zip(phrase.events, pairwise([*moments, inf]), strict=True):
                self._hear(at, data)
                self._answer(at, until)
            begin = self._musician.deadline or start
            start += pause_after(phrase)
            if number % _PLAYED_INTO and begin < self._until:
                start = self._dice.uniform(begin, self._until)
            self._watch(self._gate.play_until(start))
        self._watch(self._gate.play_until(inf))

    def _hear(self, at: float, data: bytes) -> None:
        event = decode(data)
        if event is None:
            return
        self._watch(self._gate.play_until(at))
        actions = self._gate.receive(at, _PORT, data)
        if any(isinstance(action, Yielded) for action in actions):
            actions += self._gate.play_until(inf)
            offs = [action.due for action in actions if isinstance(action, Send) and action.data[0] & 0xF0 == 0x80]
            self.seen.yields.append(max(offs, default=at) - at)
        self._watch(actions)
        if any(isinstance(action, Heard) for action in actions):
            self._musician.feed(at, _PORT, event)

    def _answer(self, at: float, until: float) -> None:
        """Let the answer to what has been heard be played, if its moment comes before `until` (seconds)."""
        deadline = self._musician.deadline
        if deadline is None or not at < deadline <= until:
            return
        begun = self._waited()
        answer = self._musician.answer()
        ready = at + self._waited() - begun + (HELD_PATIENCE_S if self._musician.holding else 0.0)
        cue = self._musician.cue(at)
        if answer is None or cue is None:
            return
        shift = lateness(cue, self._musician.scene(ready))
        if shift is None or deadline + shift > until:
            self.seen.others += len(answer.notes)
            return
        self._turn += 1
        self._shifts[self._turn] = shift
        self._until = deadline + shift + answer.length
        self.seen.ages.append(deadline + shift - at)
        plan = Plan(self._turn, self._gate.seq, timed(answer, deadline + shift, self._musician.voice))
        self._watch(self._gate.play_until(ready))
        self._watch(self._gate.plan(ready, plan))

    def _watch(self, actions: Sequence[Action]) -> None:
        for action in actions:
            if isinstance(action, Send) and action.data[0] & 0xF0 == 0x90:
                is_late = self._shifts[action.turn] > 0
                self.seen.others += is_late
                self.seen.in_time += not is_late


def measure(folders: Sequence[Path], say: Callable[[str], None], model: str) -> list[Row]:
    """Return what a few calls from each folder and their answers come to. Raises ModelError, CorpusError."""
    engine, settings = load_engine(model), Settings()
    seen = Seen()
    for folder in folders:
        say(f"turn-taking: answers to {folder.name}")
        for path in chosen(listed(folder), _FILES):
            try:
                phrases = calls(load(path))
            except CorpusError:
                continue  # a damaged file; there are others
            musician = Musician(engine, Manner.of(settings), _SEED)
            stage = Stage(musician, Gate(policy_of(settings.ports, settings.barge_in)))
            middle = max(0, (len(phrases) - _CALLS) // 2)
            stage.play(phrases[middle : middle + _CALLS])
            seen.in_time += stage.seen.in_time
            seen.others += stage.seen.others
            seen.ages += stage.seen.ages
            seen.yields += stage.seen.yields
    return rows(seen, settings.barge_in.fade_ms)


def rows(seen: Seen, fade_ms: float) -> list[Row]:
    """Return the figures of what was seen."""
    notes = seen.in_time + seen.others
    found = [
        Row(IN_TIME, "%", {"share": 100 * seen.in_time / notes}, note=f"{notes} notes of {len(seen.ages)} answers")
        if notes
        else not_run(IN_TIME, "no answer came")
    ]
    found.append(Row(STALENESS, "s", spread(seen.ages)) if seen.ages else not_run(STALENESS, "no answer came"))
    if not seen.yields:
        return [*found, not_run(YIELD, "nobody played into an answer")]
    limit = Limit("max", fade_ms)
    note = f"{len(seen.yields)} times, cut with the default fade, in simulated time"
    return [
        *found,
        judged(Row(YIELD, "ms", spread([round(1000 * s, 3) for s in seen.yields]), limits=(limit,), note=note)),
    ]
