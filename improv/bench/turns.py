"""How late an answer begins, and how fast it ends when the human plays: the ports process, the link and JACK's wire."""

import random
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import count as count_up
from typing import TYPE_CHECKING

from improv.bench.figures import Limit, Row, judged, not_run, percentile, spread
from improv.bench.processes import JACK_RATE, Band, JackServer, Program, wait_until
from improv.bench.worker import NotThereError
from improv.clock import now
from improv.errors import ImprovError
from improv.events import NoteOff, NoteOn, encode
from improv.ports.client import Link
from improv.ports.link import Flush, FromPorts, Heard, Plan, Play, Refused, Role, Sent, Yielded
from improv.settings import BargeIn, Ports, Settings, Turns

if TYPE_CHECKING:
    import jack

FIRST = "first note of an answer, after the turn's deadline"
PORTS = "human note in to our last note-off sent, in the ports process (cut: now)"
WIRE = "human note in to our last note-off out, on JACK's wire at 64 frames (cut: now)"

SILENCE_S = 0.4
_CUT = BargeIn(cut="now")
_CHORD = (48, 52, 55, 60, 64, 67)
_CALL = ((60, 0.0), (64, 0.12), (67, 0.24))
_KEY_S = 0.08
_ANSWER_S = 0.7
_PATIENCE_S = 5.0
_LOST_S = 1.0
_AGAIN_S = 0.01
_LOOK_S = 0.002
_FRAMES = 64
_BLOCK = 25
# Of other notes as late as this (ms) a first note may be: less cannot be told apart.
_AS_LATE_MS = 0.1


class Log:
    """Everything that a link says, from a thread of its own."""

    def __init__(self, link: Link) -> None:
        self.messages: list[FromPorts] = []
        self._link = link
        threading.Thread(target=self._listen, daemon=True).start()

    def sent(self, since: int = 0) -> list[Sent]:
        """Return what left from message `since` on."""
        return [message for message in self.messages[since:] if isinstance(message, Sent)]

    def _listen(self) -> None:
        try:
            while True:
                self.messages.append(self._link.recv())
        except (OSError, EOFError, TypeError):
            return


def is_on(sent: Sent) -> bool:
    """Return whether this was a note-on."""
    return sent.data[0] & 0xF0 == 0x90


def first_notes(turns: int, say: Callable[[str], None]) -> Iterator[Row]:
    """Yield how late answers begin: a real brain, and a player in software who plays a call again and again."""
    settings = Settings(Ports(backend="none"), turns=Turns(silence_ms=SILENCE_S * 1000))
    first: list[float] = []
    others: list[float] = []
    with Band(settings) as band:
        heard = Log(band.call(Role.OUTPUT))
        player = band.call(Role.INPUT, "bench")
        band.start_brain(settings)
        for number in range(turns):
            say(f"first note of an answer: {number + 1} of {turns}")
            mark = len(heard.messages)
            deadline = _play_call(player) + SILENCE_S
            time.sleep(max(0.0, deadline + _ANSWER_S - now()))
            notes = [sent for sent in heard.sent(mark) if sent.turn and is_on(sent)]
            # The call plays into the answer before, whose last notes may come after the mark.
            notes = [sent for sent in notes if sent.due >= deadline]
            if notes:
                first.append((notes[0].at - deadline) * 1000)
                others += [(sent.at - sent.due) * 1000 for sent in notes[1:]]
    yield compared(first, others, turns)


def compared(first: Sequence[float], others: Sequence[float], turns: int) -> Row:
    """Return the row that sets first notes beside all others (ms); both are from the same `turns`."""
    if not first or not others:
        return not_run(FIRST, "no answer came")
    limit = Limit("median over other notes", _AS_LATE_MS)
    more = percentile(first, 50) - percentile(others, 50)
    note = f"{len(first)} answers to {turns} calls; on the right: all their other notes"
    return judged(Row(FIRST, "ms", spread(first) | {limit.statistic: more}, spread(others), (limit,), note))


def _play_call(player: Link) -> float:
    """Play the call in time; return when its last key came up."""
    start = now()
    end = start
    for pitch, onset in _CALL:
        time.sleep(max(0.0, start + onset - now()))
        player.send(Play(encode(NoteOn(pitch, 80)), at=now()))
        time.sleep(_KEY_S)
        end = now()
        player.send(Play(encode(NoteOff(pitch)), at=end))
    return end


class Chords:
    """We are the brain: have a chord sound again and again, with more to come, so that somebody can cut it."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._turns = count_up(1)
        self.log = Log(link)

    def sound(self) -> int:
        """Begin a chord; return the number of the log's next message, once all of it sounds."""
        deadline = now() + _PATIENCE_S
        while now() < deadline:
            mark = len(self.log.messages)
            turn = next(self._turns)
            at = now()
            events = [(at, encode(NoteOn(pitch, 80))) for pitch in _CHORD]
            events += [(at + 2, encode(NoteOff(pitch))) for pitch in _CHORD]
            events += [(at + 3 + place, encode(NoteOn(pitch, 80))) for place, pitch in enumerate(_CHORD)]
            basis = max((message.seq for message in self.log.messages if isinstance(message, Heard)), default=0)
            self._link.send(Plan(turn, basis, tuple(events)))
            while not self._sounds(turn, mark) and Refused(turn) not in self.log.messages[mark:] and now() < deadline:
                time.sleep(_LOOK_S)
            if self._sounds(turn, mark):
                return len(self.log.messages)
            # We did not know yet what the player had done: the wire is faster than the link.
            time.sleep(_AGAIN_S)
        raise ImprovError("no chord can be begun")

    def _sounds(self, turn: int, mark: int) -> bool:
        return sum(sent.turn == turn and is_on(sent) for sent in self.log.sent(mark)) == len(_CHORD)

    def flush(self) -> None:
        """End the chord that nobody has cut."""
        self._link.send(Flush())

    def offs(self, mark: int) -> list[Sent]:
        """Return the note-offs from message `mark` on, once all have been sent."""

        def found() -> list[Sent]:
            return [sent for sent in self.log.sent(mark) if not is_on(sent)]

        wait_until(lambda: len(found()) >= len(_CHORD), "the note-offs of a chord", _PATIENCE_S)
        return found()


def cut_in_ports(times: int, say: Callable[[str], None]) -> Iterator[Row]:
    """Yield how fast a chord ends when a player in software plays, by the stamps of the ports process."""
    say("barge-in: in the ports process")
    taken = []
    dice = random.Random(1)  # noqa: S311 - moments, not secrets
    with Band(Settings(Ports(backend="none"), _CUT)) as band:
        chords = Chords(band.call(Role.BRAIN))
        player = band.call(Role.INPUT, "bench")
        for _ in range(times):
            mark = chords.sound()
            time.sleep(dice.uniform(0.005, 0.015))
            player.send(Play(encode(NoteOn(80, 80))))
            last = max(sent.at for sent in chords.offs(mark))
            stamps = [message.at for message in chords.log.messages[mark:] if isinstance(message, Yielded)]
            player.send(Play(encode(NoteOff(80))))
            taken.append((last - stamps[0]) * 1000)
    note = f"{times} times, a chord of {len(_CHORD)} notes"
    yield judged(Row(PORTS, "ms", spread(taken), limits=(Limit("p99", 5.0),), note=note))


class WirePlayer:
    """A JACK client that plays a note and waits for what comes back; times are JACK's own frames."""

    def __init__(self, server: JackServer) -> None:
        import jack

        self._client = jack.Client("bench player", servername=server.name, no_start_server=True)
        self._out = self._client.midi_outports.register("out")
        self._in = self._client.midi_inports.register("in")
        self._to_play: deque[bytes] = deque()
        self.played: list[tuple[int, bytes]] = []
        """(frame, message)"""
        self.heard: list[tuple[int, bytes]] = []
        self._client.set_process_callback(self._process)
        self._client.set_port_registration_callback(self._on_port)
        self._appeared: dict[str, float] = {}
        self._client.activate()

    def wait_for_ports(self, *names: str) -> float:
        """Return when the last of these ports appeared."""
        wait_until(lambda: all(name in self._appeared for name in names), " and ".join(names))
        return max(self._appeared[name] for name in names)

    def connect(self, listens: str, plays: str) -> None:
        """Connect to somebody's two ports, once both are there."""
        self.wait_for_ports(listens, plays)
        self._client.connect(self._out.name, listens)
        self._client.connect(plays, self._in.name)

    def play(self, message: bytes) -> None:
        """Play a message in the next period."""
        self._to_play.append(message)

    def cut(self, offs: int) -> float | None:
        """Play a note, and return when the last of `offs` note-offs came in after it (ms); None if one was lost.

        JACK drops a period's MIDI messages for a client that was too late for it.
        """
        self.played.clear()
        self.heard.clear()
        self.play(encode(NoteOn(80, 80)))

        def over() -> bool:
            return sum(data[0] & 0xF0 == 0x80 for _, data in self.heard) >= offs

        try:
            wait_until(over, "note-offs on the wire", _LOST_S)
        except ImprovError:
            return None
        finally:
            self.play(encode(NoteOff(80)))
        return (self.heard[-1][0] - self.played[0][0]) * 1000 / JACK_RATE

    def close(self) -> None:
        """Leave the server."""
        self._client.deactivate(ignore_errors=True)
        self._client.close(ignore_errors=True)

    def _on_port(self, port: "jack.Port", registered: bool) -> None:  # noqa: FBT001 - JACK-Client's signature
        if registered:
            self._appeared[port.name] = now()
        else:
            self._appeared.pop(port.name, None)

    def _process(self, _frames: int) -> None:
        frame = self._client.last_frame_time
        self._out.clear_buffer()
        while self._to_play:
            message = self._to_play.popleft()
            self._out.write_midi_event(0, message)
            self.played.append((frame, message))
        for offset, data in self._in.incoming_midi_events():
            self.heard.append((frame + offset, bytes(data)))


def cut_on_the_wire(times: int, say: Callable[[str], None]) -> Iterator[Row]:
    """Yield how fast a chord ends on JACK's wire; beside it, a bare process that sends as many offs for a note."""
    say("barge-in: on JACK's wire")
    try:
        with JackServer(_FRAMES) as server:
            taken, bare = _on_the_wire(server, times)
    except NotThereError as error:
        yield not_run(WIRE, str(error))
        return
    here, floor = ([each for each in blocks if each is not None] for blocks in (taken, bare))
    if not here or not floor:
        yield not_run(WIRE, "JACK lost all messages: this machine is too busy")
        return
    note = (
        f"{len(here)} times, and {len(taken) - len(here)} lost; bare: a python-rtmidi callback that sends"
        f" {len(_CHORD)} note-offs at once, {len(floor)} times, and {len(bare) - len(floor)} lost"
    )
    yield judged(Row(WIRE, "ms", spread(here), spread(floor), (Limit("p99", 10.0),), note))


def _on_the_wire(server: JackServer, times: int) -> tuple[list[float | None], list[float | None]]:
    dice = random.Random(2)  # noqa: S311 - moments, not secrets
    taken: list[float | None] = []
    bare: list[float | None] = []
    player, other = WirePlayer(server), WirePlayer(server)
    echo = Program(sys.executable, "-m", "improv.bench.worker_echo", str(len(_CHORD)), environment=server.environment)
    try:
        with Band(Settings(Ports(backend="jack"), _CUT), server.environment) as band, echo:
            player.connect("improv in:midi", "improv out:midi")
            other.connect("bare in:midi", "bare out:midi")
            chords = Chords(band.call(Role.BRAIN))
            for _ in range(0, times, _BLOCK):
                for _ in range(_BLOCK):
                    chords.sound()
                    taken.append(_after(dice, player))
                    if taken[-1] is None:
                        chords.flush()
                bare += [_after(dice, other) for _ in range(_BLOCK)]
    finally:
        player.close()
        other.close()
    return taken, bare


def _after(dice: random.Random, player: WirePlayer) -> float | None:
    """Have `player` cut a chord at no particular moment of JACK's period."""
    time.sleep(dice.uniform(0.010, 0.020))
    return player.cut(len(_CHORD))
