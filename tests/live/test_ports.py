"""The ports process with a real JACK server, a real player and a real synthesizer."""

import pytest

from improv.clock import now
from improv.events import NoteOff, NoteOn, encode
from improv.ports.link import Accepted, Heard, Plan, PortState, Role, Sent, Welcome, Yielded

pytestmark = pytest.mark.live

ON, OFF = encode(NoteOn(60, 80)), encode(NoteOff(60))


def listen(link, kind, timeout=20.0):
    """Return the next message of a kind; what comes before it is passed over."""
    deadline = now() + timeout
    while link.poll(max(0.0, deadline - now())):
        message = link.recv()
        if isinstance(message, kind):
            return message
    pytest.fail(f"waited for {kind}")


def test_a_note_is_heard_and_an_answer_is_played(player, start_ports):
    ports = start_ports()
    player.sit_in()
    brain = ports.call()
    assert isinstance(brain.recv(), Welcome)
    player.play(ON)
    heard = listen(brain, Heard)
    assert (heard.seq, heard.port, heard.data) == (1, "improv in", ON)
    player.play(OFF)
    assert listen(brain, Heard).data == OFF
    start = now() + 0.1
    answer = [(start + 0.05 * n, encode(event)) for n in range(8) for event in (NoteOn(70 + n, 90), NoteOff(69 + n))]
    brain.send(Plan(1, 2, tuple(answer[:1] + answer[2:] + [(start + 0.4, encode(NoteOff(77)))])))
    assert listen(brain, Accepted).turn == 1
    player.wait_for(encode(NoteOff(77)))
    ons = [data[1] for _, data in player.heard if data[0] == 0x90]
    assert ons == list(range(70, 78))
    assert ports.stop() == 0
    assert ports.events[-1] == {"event": "bye", "code": 0, "reason": "stopped"}
