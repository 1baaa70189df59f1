"""A jam as its user starts it, and what a player does and hears in it."""

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from improv.clock import now
from improv.events import CLOCK, NoteOff, NoteOn, decode, encode
from improv.ports.link import Heard
from improv.sessions.journal import read
from tests.live.waiting import wait_until

if TYPE_CHECKING:  # which imports this module
    from tests.live.conftest import Player

CALL = [(0.0, 60), (0.2, 64), (0.4, 67), (0.6, 72), (0.8, 71), (1.0, 67), (1.2, 64), (1.4, 62)]
OTHER = [(0.0, 55), (0.3, 53), (0.6, 50), (0.9, 48), (1.2, 46), (1.5, 43)]


def line(notes: list[tuple[float, int]], velocity: int = 80) -> list[tuple[float, bytes]]:
    """Return a melody as timed messages, each note 0.15 s long."""
    return [
        event
        for at, pitch in notes
        for event in ((at, encode(NoteOn(pitch, velocity))), (at + 0.15, encode(NoteOff(pitch))))
    ]


class Jam:
    """`improv jam` as a user starts it, in a folder of its own."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.log = folder / "stderr"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "improv", "jam", "--backend", "jack", "--record", "jams", *options],
                cwd=folder,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        wait_until(lambda: "ready" in self.text or self.process.poll() is not None, "improv to be ready")
        assert "ready" in self.text, self.text

    @property
    def text(self) -> str:
        """What it has said so far."""
        return self.log.read_text()

    @property
    def journal(self) -> Path:
        """Its journal."""
        return next((self.folder / "jams").glob("*.jsonl"))

    def child(self, module: str) -> psutil.Process | None:
        """Return its ports process or its brain, by module; None if there is none."""
        try:
            children = psutil.Process(self.process.pid).children()
            return next((child for child in children if module in child.cmdline()), None)
        except (psutil.NoSuchProcess, psutil.ZombieProcess):
            return None

    def kill(self, who: str) -> None:
        """Kill -9 the brain, the ports process or the supervisor."""
        if who == "supervisor":
            self.process.kill()
            return
        child = self.child({"brain": "improv.daemon", "ports": "improv.ports"}[who])
        assert child is not None
        child.kill()

    def wait(self) -> int:
        """Wait for its end; return its exit code."""
        return self.process.wait(20)

    def close(self) -> None:
        """End it, and wait until nothing of it is left."""
        family = [self.process.pid, *(child.pid for child in _children(self.process.pid))]
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        wait_until(lambda: not any(_alive(pid) for pid in family), "all processes to end")


def _children(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children()
    except psutil.NoSuchProcess:
        return []


def _alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def note_ons(player: "Player", since: float = 0.0) -> list[NoteOn]:
    """Return the note-ons that a player has heard."""
    events = [decode(data) for at, data in player.heard if at >= since]
    return [event for event in events if isinstance(event, NoteOn)]


def open_notes(player: "Player") -> dict[int, int]:
    """Return how many note-ons of each pitch have not had their off yet."""
    counts: dict[int, int] = {}
    for _, data in player.heard:
        match decode(data):
            case NoteOn(pitch):
                counts[pitch] = counts.get(pitch, 0) + 1
            case NoteOff(pitch):
                counts[pitch] = counts.get(pitch, 0) - 1
    return {pitch: count for pitch, count in counts.items() if count > 0}


def answer(player: "Player", call: list[tuple[float, int]]) -> list[NoteOn]:
    """Play a call, and return the whole answer."""
    before = len(player.heard)
    player.perform(line(call))
    wait_until(lambda: len(player.heard) > before, "an answer")
    settle(player)
    return [event for event in (decode(data) for _, data in player.heard[before:]) if isinstance(event, NoteOn)]


def settle(player: "Player") -> None:
    """Wait until improv has been quiet for a second."""
    start = now()

    def over() -> bool:
        last = next((at for at, data in reversed(player.heard) if data[0] < CLOCK), start)
        return now() - max(start, last) > 1.0 and not open_notes(player)

    wait_until(over, "the end of the answer")


def begin_answer(player: "Player") -> None:
    """Have a note of an answer sound."""
    player.perform(line(CALL))
    wait_until(lambda: open_notes(player), "a sounding note of an answer")


def heard(jam: Jam) -> list[bytes]:
    """Return the human's messages in the journal."""
    return [record.data for record in read(jam.journal).of(Heard)]
