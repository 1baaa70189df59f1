"""A jam in time with a sequencer's clock on a JACK server of its own, and what was heard of it, next to a bare echo."""

import json
import random
import sys
from bisect import bisect_right
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import Any

from improv.beat import Grid
from improv.bench.clock_score import Song, Timed
from improv.bench.jam import Jam
from improv.bench.processes import JackServer, Program, private_folder, wait_until
from improv.errors import ImprovError
from improv.events import NoteOn, decode, encode
from improv.ports.link import Sent
from improv.sessions.journal import Session, read
from improv.sessions.records import Beat, Planned

FRAMES = 64
_NAME = "bench sequencer"
_MATCH_S = 0.1
# The bare echo is played to so often (seconds), at no particular moment of JACK's period.
_ECHO_S = (0.15, 0.35)
_ECHO_LOST_S = 0.1
_AFTER_S = 20.0
_GRIDS = 16


@dataclass(frozen=True, slots=True)
class Onset:
    """A note of improv's as it arrived at the second client, at `at` (seconds from the start of the song).

    `turn` of the journal, and its `place` in beats, as it was planned; `announced`: the beat of its turn.
    """

    at: float
    turn: int
    place: float
    announced: float | None


@dataclass(frozen=True, slots=True)
class Take:
    """What came of a song: notes that arrived, grids as they were published (seconds), delays of the bare echo (s)."""

    song: Song
    onsets: tuple[Onset, ...]
    grids: tuple[tuple[float, Grid], ...]
    echoes: tuple[float, ...]
    lost: int


def play(song: Song, config: str, jitter: float, seed: int) -> Take:
    """Have improv play with the song's sequencer and player. Raises NotThereError without JACK."""
    dice = random.Random(seed)  # noqa: S311 - jitter, not secrets
    echoed = list(_echo_times(song, dice))
    score = sorted(
        [(at, 0, data.hex()) for at, data in (*song.clock(jitter, dice), *song.playing())]
        + [(at, 1, encode(NoteOn(60, 1)).hex()) for at in echoed],
        key=itemgetter(0),
    )
    with JackServer(FRAMES) as server, private_folder() as folder:
        (folder / "score").write_text(json.dumps(score))
        command = ("-m", "improv.bench.worker_beat", server.name, _NAME, str(folder / "score"), str(folder / "result"))
        echo = Program(sys.executable, "-m", "improv.bench.worker_echo", "1", environment=server.environment)
        with echo, Program(sys.executable, *command) as player, Jam(folder, "jack", server.environment, config) as jam:
            player.wait_for(lambda line: line == "there", "the sequencer")
            wait_until(jam.plays, "a jam")
            _connect(server, "improv", 0)
            _connect(server, "bare", 1)
            player.write(b"\n")
            over = lambda: any(line == "over" for _, line in player.lines) or player.process.poll() is not None  # noqa: E731
            wait_until(over, "the end of the song", song.end + _AFTER_S)
            echo.leave()  # jackd may die of a client that is killed, and then keeps one of JACK's eight places for good
        if not (folder / "result").exists():
            raise ImprovError(f"the sequencer has ended: {player.lines[-1][1] if player.lines else ''}")
        found = json.loads((folder / "result").read_text())
        session = read(next(folder.glob("sessions/*.jsonl")))
    return _taken(song, session, found, echoed)


def _echo_times(song: Song, dice: random.Random) -> Iterator[float]:
    at = dice.uniform(*_ECHO_S)
    while at < song.end:
        yield at
        at += dice.uniform(*_ECHO_S)


def _connect(server: JackServer, name: str, port: int) -> None:
    import jack

    with jack.Client("bench", servername=server.name, no_start_server=True) as client:
        wait_until(lambda: len(client.get_ports(f"^{name} (in|out):midi$")) == 2, f"the ports of {name}")
        client.connect(f"{_NAME}:out {port}", f"{name} in:midi")
        client.connect(f"{name} out:midi", f"{_NAME}:in {port}")


def _taken(song: Song, session: Session, found: dict[str, Any], echoed: list[float]) -> Take:
    start: float = found["start"]
    heard: dict[int, list[Timed]] = {0: [], 1: []}
    for at, port, message in found["heard"]:
        heard[port].append((at, bytes.fromhex(message)))
    notes = [(at, data) for at, data in heard[0] if isinstance(decode(data), NoteOn)]
    onsets, lost = _onsets(session, notes, start)
    grids = tuple(
        (beat.at - start, replace(beat.grid, at=beat.grid.at - start))
        for beat in session.of(Beat)
        if beat.grid is not None
    )
    return Take(song, onsets, grids, tuple(_delays(echoed, [at for at, _ in heard[1]])), lost)


def _delays(sent: Iterable[float], heard: list[float]) -> Iterator[float]:
    """Yield how long after each note its echo came; one that JACK lost has none."""
    for at in sent:
        after = bisect_right(heard, at)
        if after < len(heard) and heard[after] - at < _ECHO_LOST_S:
            yield heard[after] - at


def _onsets(session: Session, notes: list[Timed], start: float) -> tuple[tuple[Onset, ...], int]:
    """Return the notes that arrived, each with its place as planned, and how many that were sent did not."""
    places: dict[tuple[int, bytes], deque[float]] = defaultdict(deque)
    announced: dict[int, float | None] = {}
    found, lost = [], 0
    grids: deque[Grid] = deque(maxlen=_GRIDS)
    for record in session.records:
        match record:
            case Beat(_, grid) if grid is not None:
                grids.append(grid)
            case Planned(beat=beat) if beat is not None and grids:
                # What it was told from is a grid of just before; the record comes a moment after it was sent.
                grid = min(grids, key=lambda each: abs(each.beat_at(record.start) - beat))
                if not record.joins:
                    announced[record.turn] = beat
                for due, data in record.events:
                    if isinstance(decode(data), NoteOn):
                        places[record.turn, data].append(beat + (due - record.start) / grid.period)
            case Sent(turn, _, at, data) if places.get((turn, data)):
                place, sent = places[turn, data].popleft(), at - start
                arrived = [each for each in notes if each[1] == data and abs(each[0] - sent) < _MATCH_S]
                if arrived:
                    nearest = min(arrived, key=lambda each: abs(each[0] - sent))
                    notes.remove(nearest)
                    found.append(Onset(nearest[0], turn, place, announced.get(turn)))
                else:
                    lost += 1
            case _:
                pass
    return tuple(found), lost
