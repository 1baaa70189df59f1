"""The deadline thread and the link, with real callers over a real socket."""

import os
import tempfile
from itertools import pairwise
from pathlib import Path
from time import sleep

import pytest

from improv.beat import Grid
from improv.clock import now
from improv.events import NoteOff, NoteOn, encode
from improv.play.gate import Policy
from improv.ports.link import (
    Accepted,
    Extend,
    Extended,
    Flush,
    Heard,
    Hello,
    Lead,
    Listen,
    Listening,
    Panic,
    Plan,
    Play,
    Retime,
    Retimed,
    Role,
    Sent,
    Silenced,
    Silencing,
    Wish,
    Wished,
    Yielded,
)
from improv.ports.loop import BURST, PAUSE
from tests.ports.process import PATIENCE, Process

pytestmark = pytest.mark.skipif(os.name != "posix", reason="sockets with paths")


def on(pitch, channel=0):
    return encode(NoteOn(pitch, 80, channel))


def off(pitch):
    return encode(NoteOff(pitch))


def wait_for(ports, message):
    """Wait until `message` is the last that left."""
    deadline = now() + PATIENCE
    while not ports.sent or ports.sent[-1][1] != message:
        assert now() < deadline, f"waited for {message!r}"
        sleep(0.001)


@pytest.fixture
def ports(tmp_path):
    # Short, as a socket's path must be.
    with (
        tempfile.TemporaryDirectory(prefix="improv-") as short,
        Process(tmp_path, str(Path(short) / "link"), policy=Policy(thru=True)) as process,
    ):
        yield process


def test_a_stream_is_planned_gone_on_with_moved_and_dropped(ports):
    brain = ports.call(Hello(Role.BRAIN))
    start = now() + 0.05
    brain.send(Plan(1, 0, ((start, on(60)), (start + 9.0, off(60)))))
    brain.send(Extend(1, ((start + 60.0, on(64)), (start + 61.0, off(64)))))
    assert ports.listen(brain, Accepted).turn == 1
    assert ports.listen(brain, Extended).turn == 1
    assert ports.listen(brain, Sent).data == on(60)
    before, after = Grid(start, 0.0, 10.0), Grid(start, 0.0, 0.1)
    brain.send(Retime(before, after))
    retimed = ports.listen(brain, Retimed)
    assert (retimed.before, retimed.after) == (before, after)
    assert ports.listen(brain, Sent).data == off(60)
    brain.send(Flush(Silencing.DROP))
    assert ports.listen(brain, Silenced).how is Silencing.DROP


def test_a_panic_of_the_brain_is_paced_and_told(ports):
    brain, player = ports.call(Hello(Role.BRAIN)), ports.call(Hello(Role.INPUT))
    for channel in range(16):
        player.send(Play(on(60, channel)))
    for _ in range(16):
        ports.listen(brain, Heard)
    before = len(ports.sent)
    brain.send(Panic())
    assert ports.listen(brain, Silenced).how is Silencing.PANIC
    for _ in range(16 + 16 * 7):
        ports.listen(brain, Sent)
    silence = ports.sent[before:]
    assert {data[0] & 0xF0 for _, data in silence[:16]} == {0x80}, "first what sounds"
    gaps = [after - at for (at, _), (after, _) in pairwise(silence)]
    assert len(silence) == 16 + 16 * 7
    assert gaps[BURST - 1] >= PAUSE


def test_the_clock_is_for_outputs_and_not_for_the_brain(ports):
    brain, output = ports.call(Hello(Role.BRAIN)), ports.call(Hello(Role.OUTPUT))
    grid = Grid(now(), 0.0, 0.24)
    brain.send(Lead(grid, running=False))
    ticks = [ports.listen(output, Sent) for _ in range(20)]
    brain.send(Lead(None, running=False))
    brain.send(Listen(0, 127))
    unread = []
    ports.listen(brain, Listening, unread)
    assert not [message for message in unread if isinstance(message, Sent)]
    assert {(tick.turn, tick.data) for tick in ticks} == {(0, b"\xf8")}
    assert all(abs(grid.beat_at(tick.due) * 24 % 1 - 0.5) > 0.49 for tick in ticks[1:])
    assert [data for _, data in ports.sent[:20]] == [b"\xf8"] * 20


def test_followers_are_stopped_at_the_end(ports):
    brain = ports.call(Hello(Role.BRAIN))
    brain.send(Lead(Grid(now() + 0.1, 0.0, 2.4), running=True))
    wait_for(ports, b"\xfa")
    ports.loop.call(ports.loop.stop)
    wait_for(ports, b"\xfc")


def test_wishes_of_remotes_reach_the_brain_if_they_are_short(ports):
    remote, player = ports.call(Hello(Role.REMOTE)), ports.call(Hello(Role.INPUT))
    brain = ports.call(Hello(Role.BRAIN))
    player.send(Wish("mode", "solo"))
    for name, value in (("x" * 65, ""), ("", "x" * 65), ("x" * 64, "y" * 64)):
        remote.send(Wish(name, value))
    begun = now()
    wished = ports.listen(brain, Wished)
    assert (wished.name, wished.value) == ("x" * 64, "y" * 64)
    assert begun - 1 < wished.at <= now()


def test_a_new_brain_begins_with_the_whole_keyboard(ports):
    brain, player = ports.call(Hello(Role.BRAIN)), ports.call(Hello(Role.INPUT))
    brain.send(Listen(60, 60))
    assert ports.listen(brain, Listening).lowest == 60
    brain = ports.call(Hello(Role.BRAIN))
    brain.send(Plan(1, 0, ((now() + 60.0, on(60)), (now() + 61.0, off(60)))))
    ports.listen(brain, Accepted)
    player.send(Play(on(50)))
    assert ports.listen(brain, Yielded).turn == 1
