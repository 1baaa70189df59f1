"""The player of a demo: a recorded performance, in real time, through the link that every player in software uses."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from improv.clock import now
from improv.ports.client import Link, connect
from improv.ports.link import Hello, Play, Role, TimedBytes
from improv.sessions.performance import LONGEST_ANSWER_S, PATIENCE_S, calls, load, with_pauses

_LEAD_S = 0.5
_REDIAL_S = 0.05


@dataclass(frozen=True, slots=True)
class Part:
    """What is played, and how many seconds the musician has after it for the last answer."""

    events: tuple[TimedBytes, ...]
    rest: float


def rehearse(file: Path, seconds: float) -> Part:
    """Return as much of a MIDI file as can be played and answered in `seconds`. Raises CorpusError."""
    played = calls(load(file))
    events = with_pauses(played, seconds)
    last, count = played[0], 0
    for call in played:
        if count < len(events):
            last, count = call, count + len(call.events)
    return Part(events, min(1.5 * last.length, LONGEST_ANSWER_S) + PATIENCE_S)


def perform(part: Part, address: str, authkey: bytes, done: Callable[[], None]) -> None:
    """Play `part` in a thread of its own, and call `done` there when the last answer has had its time."""
    threading.Thread(target=_perform, args=(part, address, authkey, done), name="player", daemon=True).start()


def _perform(part: Part, address: str, authkey: bytes, done: Callable[[], None]) -> None:
    def dial() -> Link:
        while True:
            try:
                return connect(address, authkey, Hello(Role.INPUT, "performance"))
            except OSError:  # the ports process is being replaced
                rest.wait(_REDIAL_S)

    rest = threading.Event()  # never set: a sleep that says what it waits for
    link = dial()
    start = now() + _LEAD_S
    for at, data in part.events:
        rest.wait(max(0.0, start + at - now()))
        try:
            link.send(Play(data))
        except OSError:
            link.close()
            link = dial()
    rest.wait(part.rest)
    link.close()
    done()
