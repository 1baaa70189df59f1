"""A whole jam as a person starts it, `improv jam`: how soon it plays, what it weighs, what it costs while nobody plays.

On a JACK server of our own where there is one, else without a MIDI system.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Self

from improv.bench.figures import Limit, Row, judged, not_run, spread
from improv.bench.processes import JackServer, Program, private_folder, wait_until
from improv.bench.system import (
    alone,
    family,
    mappings,
    maps_tensorflow,
    processor_seconds,
    proportional,
    require_proc,
)
from improv.bench.turns import WirePlayer
from improv.bench.worker import NotThereError
from improv.clock import now
from improv.events import NoteOff, NoteOn, encode

OPEN = "start: from exec to ports open"
ABLE = "start: from exec to able to answer"
MEMORY = "memory of all processes, without JACK's own map"
TENSORFLOW = "processes of a jam that have TensorFlow loaded"
IDLE = "idle, all processes, nobody playing"

_SILENCE_S = 0.4
_CONFIG = f"turns:\n  silence_ms: {_SILENCE_S * 1000:.0f}\n"
_FRAMES = 256
_KEY_S = 0.05
_REST_S = 2.5
_MB = 1e6


class Jam:
    """`improv jam` in private folders, so that nothing of the user's is in its way. Leave with `close`."""

    def __init__(self, folder: Path, backend: str, environment: Mapping[str, str], settings: str = _CONFIG) -> None:
        """Start it; `settings` is the text of its `config.yaml`."""
        self._folder = folder
        config = folder / "config.yaml"
        config.write_text(settings)
        options = ["--backend", backend, "--config", str(config), "--record", str(folder / "sessions"), "--virtual"]
        if backend == "none":
            options.remove("--virtual")
        # Its socket and its lock go there.
        private = {"XDG_RUNTIME_DIR": str(folder)}
        self.program = Program(sys.executable, "-m", "improv", "jam", *options, environment={**environment, **private})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.program.close()

    def listens(self) -> bool:
        """Return whether its ports process takes calls: without a MIDI system, its ports are open then."""
        return any(self._folder.glob("improv-*/*/link"))

    def plays(self) -> bool:
        """Return whether the brain has heard from `ports` that they are open: the journal says so."""
        for journal in self._folder.glob("sessions/*.jsonl"):
            for line in journal.read_text().splitlines():
                with suppress(ValueError):
                    record = json.loads(line)
                    if record["type"] == "ports" and (record["backend"] == "none" or record["output"][1]):
                        return True
        return False


class Stage:
    """Where jams take place: a JACK server with a player, or no MIDI system at all. Leave with `close`."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self.backend = "none"
        self.server: JackServer | None = None
        self.player: WirePlayer | None = None
        try:
            self.server = self._stack.enter_context(JackServer(_FRAMES))
            self.player = WirePlayer(self.server)
            self._stack.callback(self.player.close)
            self.backend = "jack"
        except NotThereError:
            pass
        except BaseException:
            self._stack.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def name(self) -> str:
        """How a person calls it."""
        return f"JACK at {_FRAMES} frames" if self.player else "no MIDI system"

    def jam(self, folder: Path, backend: str = "") -> Jam:
        """Start a jam here."""
        return Jam(folder, backend or self.backend, self.server.environment if self.server else {})

    def ports_open(self, jam: Jam) -> float:
        """Return when its ports were there."""
        if self.player is not None:
            return self.player.wait_for_ports("improv in:midi", "improv out:midi")
        return wait_until(jam.listens, "a jam's link")

    def answered(self) -> float | None:
        """Play one note; return how late (ms) its answer came, None if none came, or without a player."""
        if self.player is None:
            return None
        self.player.connect("improv in:midi", "improv out:midi")
        self.player.heard.clear()
        self.player.play(encode(NoteOn(60, 80)))
        time.sleep(_KEY_S)
        self.player.play(encode(NoteOff(60)))
        due = now() + _SILENCE_S
        deadline = due + _REST_S
        while not self.player.heard and now() < deadline:
            time.sleep(0.001)
        return (now() - due) * 1000 if self.player.heard else None


def start(times: int, say: Callable[[str], None]) -> Iterator[Row]:
    """Yield how soon a jam's ports are open and it can answer; bare: Python importing what no way leads around."""
    opened, able, rtmidi, numpy = [], [], [], []
    late: list[float | None] = []
    with Stage() as stage:
        for number in range(times):
            say(f"start: {number + 1} of {times}")
            rtmidi.append(_imports("rtmidi"))
            numpy.append(_imports("numpy"))
            with private_folder() as folder, stage.jam(folder) as jam:
                opened.append(stage.ports_open(jam) - jam.program.started)
                able.append(wait_until(jam.plays, "a jam's first word of its ports") - jam.program.started)
                late.append(stage.answered())
        where = f"median of {times}, {stage.name}"
    bare = "bare: Python importing"
    yield judged(Row(OPEN, "s", spread(opened), spread(rtmidi), (Limit("p50", 0.5),), f"{where}; {bare} rtmidi"))
    note = f"{where}; {bare} numpy{_answers(late) if stage.player else ''}"
    yield judged(Row(ABLE, "s", spread(able), spread(numpy), (Limit("p50", 1.0),), note))


def _answers(late: Sequence[float | None]) -> str:
    came = [each for each in late if each is not None]
    worst = f", at most {max(came):.1f} ms after its turn" if came else ""
    return f"; a note played at once was answered {len(came)} times of {len(late)}{worst}"


def _imports(module: str) -> float:
    """Return how long a bare interpreter takes to import `module` and say so (seconds)."""
    with Program(sys.executable, "-c", f"import {module}; print('there')") as program:
        return program.wait_for(lambda line: line == "there", module) - program.started


def at_rest(seconds: float, say: Callable[[str], None]) -> Iterator[Row]:
    """Yield what a jam weighs after an answer, and what it costs in `seconds` without a player."""
    try:
        require_proc()
    except NotThereError as error:
        yield from (not_run(what, str(error)) for what in (MEMORY, TENSORFLOW, IDLE))
        return
    with Stage() as stage, private_folder() as folder, private_folder() as other:
        say("memory, and idle")
        with ExitStack() as stack:
            jam = stack.enter_context(stage.jam(folder))
            wait_until(jam.plays, "a jam")
            stage.answered()
            time.sleep(_REST_S)
            processes = family(jam.program.pid)
            yield from _memory(processes, stage.name)
            floor: dict[str, float] = {}
            watched = [processes]
            if stage.server is not None:
                # Two ports and nothing behind them, in the same seconds.
                echo = Program(
                    sys.executable, "-m", "improv.bench.worker_echo", "1", environment=stage.server.environment
                )
                stack.enter_context(echo)
                time.sleep(_REST_S)
                watched.append([echo.pid])
            used, *bare = _idle(watched, seconds)
            if bare:
                floor["share"] = bare[0]
            yield _idle_row(stage.name, used, floor, seconds)
        if stage.server is not None:
            with stage.jam(other, "none") as jam:
                wait_until(jam.plays, "a jam")
                time.sleep(_REST_S)
                yield _idle_row("no MIDI system", _idle([family(jam.program.pid)], seconds)[0], {}, seconds)


def _memory(processes: list[int], where: str) -> Iterator[Row]:
    memories = [mappings(pid) for pid in processes]
    values = {
        "proportional set": sum(map(proportional, memories)) / _MB,
        "if nothing else ran": alone(memories) / _MB,
    }
    note = f"{len(processes)} processes, after an answer; {where}"
    yield judged(Row(MEMORY, "MB", values, limits=(Limit("proportional set", 110.0),), note=note))
    loaded = sum(map(maps_tensorflow, memories))
    yield judged(Row(TENSORFLOW, "", {"processes": float(loaded)}, limits=(Limit("processes", 0.0),)))


def _idle(groups: list[list[int]], seconds: float) -> list[float]:
    """Return for each group of processes the share of a core (percent) it uses in `seconds`."""

    def used() -> list[float]:
        return [sum(map(processor_seconds, group)) for group in groups]

    before, since = used(), now()
    time.sleep(seconds)
    return [100 * (after - at) / (now() - since) for after, at in zip(used(), before, strict=True)]


def _idle_row(where: str, share: float, floor: Mapping[str, float], seconds: float) -> Row:
    note = f"{where}, {seconds:.0f} s" + ("; bare: two ports of python-rtmidi, nothing behind them" if floor else "")
    return judged(Row(IDLE, "% of a core", {"share": share}, floor, (Limit("share", 2.0),), note))
