"""The ports process with a real JACK server, a real player and a real synthesizer."""

import os
import signal
from multiprocessing.connection import Client

import pytest

from improv.clock import now
from improv.errors import PortError
from improv.events import ControlChange, NoteOff, NoteOn, ProgramChange, encode
from improv.play.gate import Policy
from improv.ports.link import (
    Accepted,
    Flush,
    Heard,
    Panic,
    Plan,
    Play,
    PortState,
    Refused,
    Role,
    Sent,
    Welcome,
    Yielded,
)
from improv.ports.midi import ListedSystem, list_ports
from improv.ports.spec import Spec
from tests.live.waiting import PATIENCE, wait_until

pytestmark = pytest.mark.live


def on(pitch, velocity=80):
    return encode(NoteOn(pitch, velocity))


def off(pitch):
    return encode(NoteOff(pitch))


def listen(link, kind, **values):
    """Return the next message of a kind with these values; what comes before it is passed over."""
    deadline = now() + PATIENCE
    while link.poll(max(0.0, deadline - now())):
        message = link.recv()
        if isinstance(message, kind) and all(getattr(message, name) == value for name, value in values.items()):
            return message
    return pytest.fail(f"waited for {kind.__name__} {values}")


def long_note(pitch=60, turn=1, basis=0):
    start = now() + 0.05
    return Plan(turn, basis, ((start, on(pitch)), (start + 10.0, off(pitch))))


def test_a_note_is_heard_and_an_answer_is_played_in_order(player, start_ports):
    ports = start_ports()
    player.sit_in()
    brain = ports.call()
    assert brain.recv() == Welcome(1, 0)
    player.play(on(60))
    heard = listen(brain, Heard)
    assert (heard.seq, heard.port, heard.data) == (1, "improv in", on(60))
    player.play(off(60))
    assert listen(brain, Heard).data == off(60)
    start = now() + 0.1
    scale = [(start + 0.05 * n, on(70 + n)) for n in range(8)]
    scale += [(start + 0.05 * (n + 1), off(70 + n)) for n in range(8)]
    brain.send(Plan(1, 2, tuple(scale)))
    assert listen(brain, Accepted).turn == 1
    player.wait_for(off(77))
    in_time = [data for _, data in sorted(scale, key=lambda event: (event[0], event[1][0]))]
    assert [data for _, data in player.heard if data in in_time] == in_time
    sent = listen(brain, Sent, data=off(77))
    assert (sent.turn, sent.due) == (1, scale[-1][0])
    assert sent.at >= sent.due


def test_start_and_stop_are_told_and_leave_silence(player, start_ports):
    ports = start_ports()
    assert ports.events[0]["event"] == "ready"
    assert ports.events[0]["output"] == ["improv out", True]
    player.sit_in()
    brain = ports.call()
    brain.send(long_note())
    player.wait_for(on(60))
    assert ports.stop() == 0
    assert ports.events[-1] == {"event": "bye", "code": 0, "reason": "stopped"}
    player.wait_for(off(60))
    silence = [64, 66, 67, 123, 120, 121]
    player.wait_for(encode(ControlChange(121, 0)))
    assert [data[1] for _, data in player.heard if data[0] == 0xB0] == silence


@pytest.mark.parametrize("end", ["stop", "end of input", "SIGTERM"])
def test_however_it_is_told_to_leave_notes_end(player, start_ports, end):
    ports = start_ports()
    player.sit_in()
    ports.call().send(long_note())
    player.wait_for(on(60))
    os.kill(ports.pid, signal.SIGINT)  # meant for the supervisor
    if end == "stop":
        ports.order("stop")
    elif end == "SIGTERM":
        os.kill(ports.pid, signal.SIGTERM)
    else:
        ports.process.stdin.close()
    assert ports.wait() == 0
    player.wait_for(off(60))


def test_playing_into_an_answer_ends_it(player, start_ports):
    ports = start_ports(policy=Policy(fade=0.0))
    player.sit_in()
    brain = ports.call()
    brain.send(long_note())
    player.wait_for(on(60))
    player.play(on(72))
    yielded = listen(brain, Yielded)
    assert (yielded.turn, yielded.seq) == (1, 1)
    player.wait_for(off(60))
    brain.send(long_note(turn=2, basis=0))
    assert listen(brain, Refused).turn == 2


def test_thru_and_echo_work_on_real_ports(player, start_ports):
    ports = start_ports(policy=Policy(thru=True, echo=5.0))
    player.sit_in().connect("improv out:midi", "improv in:midi")
    brain = ports.call()
    player.play(on(60))
    player.wait_for(on(60))
    player.play(off(61))
    assert listen(brain, Heard).data == on(60)
    assert listen(brain, Heard).data == off(61)  # and no echo in between


def test_our_sound_is_chosen_when_a_synthesizer_is_connected(player, start_ports):
    start_ports(policy=Policy(program=19))
    player.sit_in()
    player.wait_for(encode(ProgramChange(19)))


def test_when_the_brain_hangs_up_our_notes_end_and_the_ports_stay(player, start_ports):
    ports = start_ports()
    player.sit_in()
    brain = ports.call()
    brain.send(long_note())
    player.wait_for(on(60))
    brain.close()
    player.wait_for(off(60))
    player.play(on(50))
    again = ports.call(after_seq=0)
    assert listen(again, Heard).data == on(50)
    assert player.connections("improv in:midi") == ["player:out"]


def test_a_new_brain_hears_what_it_has_missed_and_replaces_the_old(player, start_ports):
    ports = start_ports()
    player.sit_in()
    old = ports.call()
    player.play(on(60), off(60), on(62))
    listen(old, Heard, seq=3)
    new = ports.call(after_seq=1)
    assert new.recv() == Welcome(1, 3)
    assert [new.recv().seq, new.recv().seq] == [2, 3]
    with pytest.raises((EOFError, OSError)):
        listen(old, Heard)


def test_flush_and_panic_end_notes(player, start_ports):
    ports = start_ports()
    player.sit_in()
    brain = ports.call()
    brain.send(long_note(60))
    player.wait_for(on(60))
    brain.send(Flush())
    player.wait_for(off(60))
    brain.send(long_note(64, turn=2))
    player.wait_for(on(64))
    ports.call(Role.INPUT).send(Panic())
    player.wait_for(off(64))
    player.wait_for(encode(ControlChange(120, 0)))


def test_a_brain_that_does_not_read_stops_nobody(player, start_ports):
    ports = start_ports()
    player.sit_in()
    ports.call()  # never read
    flood = tuple(encode(ControlChange(1, n % 128)) for n in range(64))
    pages = ports.call(Role.INPUT, "page")
    for _ in range(400):
        for data in flood:
            pages.send(Play(data))
    synth = ports.call(Role.OUTPUT)
    assert isinstance(synth.recv(), Welcome)
    brain = ports.call(after_seq=10**9)
    brain.send(long_note(basis=10**9))
    player.wait_for(on(60))
    assert listen(synth, Sent).data == on(60)


def test_software_plays_and_listens_without_any_midi_system(start_ports):
    ports = start_ports(backend="none")
    brain = ports.call()
    player, synth = ports.call(Role.INPUT, "page"), ports.call(Role.OUTPUT)
    assert isinstance(synth.recv(), Welcome)
    assert listen(brain, PortState, inputs=(("page", True),)).backend == "none"
    before = now()
    player.send(Play(on(60)))
    heard = listen(brain, Heard)
    assert (heard.port, heard.data) == ("page", on(60))
    assert before <= heard.at <= now()
    brain.send(long_note(70, basis=1))
    assert listen(synth, Sent).data == on(70)
    player.close()
    assert listen(brain, Heard).data == off(60)
    brain.close()
    assert listen(synth, Sent).data == off(70)


def test_strangers_are_turned_away(start_ports):
    ports = start_ports(backend="none")
    stranger = Client(ports.spec.address)  # says nothing, knows nothing
    other = Client(ports.spec.address)
    other.send_bytes(b"let me in")
    brain = ports.call()
    assert isinstance(brain.recv(), Welcome)
    stranger.close()
    other.close()


# ---- what dies and returns ---------------------------------------------------------------------------


def test_after_a_kill_a_successor_restores_connections_and_ends_notes(player, start_ports):
    ports = start_ports()
    player.sit_in()
    brain = ports.call()
    player.play(on(50))
    listen(brain, Heard, seq=1)
    brain.send(Plan(1, 1, ((now(), encode(ControlChange(64, 127))), *long_note().events)))
    player.wait_for(on(60))
    wait_until(lambda: player.connections("improv out:midi") and True, "connections")
    ports.kill()
    assert off(60) not in [data for _, data in player.heard]
    again = start_ports()
    player.wait_for(off(60))
    player.wait_for(encode(ControlChange(64, 0)))
    assert player.connections("improv in:midi") == ["player:out"]
    assert player.connections("improv out:midi") == ["player:in"]
    assert again.call().recv() == Welcome(2, 1)


def test_a_synthesizer_is_silent_after_a_kill(player, synth, start_ports):
    ports = start_ports()
    player.sit_in().connect("improv out:midi", synth.midi)
    ports.call().send(long_note())
    player.wait_for(on(60))
    struck = now()
    wait_until(lambda: now() > struck + 0.5, "half a second of sound")
    ports.kill()
    killed = now()
    start_ports()
    player.wait_for(off(60))
    wait_until(lambda: now() > killed + 3.5, "the sound's end")
    synth.save()
    assert synth.rms(struck + 0.25, struck + 0.5) > 50
    assert synth.rms(killed + 3.0, killed + 3.5) == 0


def test_a_player_who_leaves_is_released_and_connected_again_on_return(make_player, start_ports):
    ports = start_ports()
    first = make_player().sit_in()
    brain = ports.call()
    listen(brain, PortState, connected=("player:out", "player:in"))
    first.play(on(60))
    listen(brain, Heard)
    first.close()
    assert listen(brain, Heard).data == off(60)
    listen(brain, PortState, connected=())
    second = make_player()
    wait_until(lambda: second.connections("improv in:midi") == ["player:out"], "our input connected")
    wait_until(lambda: second.connections("improv out:midi") == ["player:in"], "our output connected")
    second.play(on(62))
    assert listen(brain, Heard).data == on(62)


def test_a_player_unplugged_in_the_middle_of_a_sysex_message_is_heard_on_return(make_player, start_ports):
    ports = start_ports()
    first = make_player().sit_in()
    brain = ports.call()
    first.play(on(60))
    listen(brain, Heard)
    first.play(b"\xf0\x01\x02")
    first.play(off(60), on(61))  # swallowed
    first.close()
    assert listen(brain, Heard).data == off(60)
    listen(brain, PortState, connected=())
    second = make_player()
    listen(brain, PortState, connected=("player:out", "player:in"))
    second.play(on(62))
    assert listen(brain, Heard).data == on(62)


def test_a_connection_that_the_user_takes_away_stays_away(make_player, start_ports):
    ports = start_ports()
    player = make_player().sit_in()
    brain = ports.call()
    listen(brain, PortState, connected=("player:out", "player:in"))
    player.disconnect("improv out:midi", "player:in")
    listen(brain, PortState, connected=("player:out",))
    looked_twice = now() + 1.5
    wait_until(lambda: now() > looked_twice, "the second look")
    player.close()
    listen(brain, PortState, connected=())
    again = make_player()
    listen(brain, PortState, connected=("player:out",))
    assert again.connections("improv out:midi") == []


def test_named_ports_are_connected_when_they_appear(make_player, start_ports):
    ports = start_ports(inputs=("PLAY",), output="layer:i")
    assert ports.events[0]["message"] == "waiting for PLAY, layer:i"
    player = make_player()
    wait_until(lambda: player.connections("improv in:midi") == ["player:out"], "our input connected")
    wait_until(lambda: player.connections("improv out:midi") == ["player:in"], "our output connected")


def test_a_server_that_dies_is_waited_for(jackd, make_player, start_ports):
    ports = start_ports()
    player = make_player().sit_in()
    ports.call().send(long_note())
    player.wait_for(on(60))
    jackd.kill()
    assert ports.wait() == 75
    assert ports.events[-1] == {"event": "bye", "code": 75, "reason": "server lost"}
    player.close()
    again = start_ports()
    assert again.events[0]["message"] == "waiting for a JACK server"
    jackd.start()
    player = make_player("player")
    wait_until(lambda: player.connections("improv in:midi") == ["player:out"], "our input connected")
    player.play(on(62))
    assert listen(again.call(), Heard).data == on(62)


@pytest.mark.usefixtures("jackd")
def test_a_second_improv_is_told_so(start_ports, tmp_path):
    start_ports()
    second = start_ports(wait_for="bye", memory=str(tmp_path / "other"), epoch=1)
    assert second.wait() == 1
    assert "another improv" in second.events[-1]["reason"]


# ---- named ports of a listed system ------------------------------------------------------------------


class Told:
    """What a MIDI system tells the deadline loop, done at once."""

    def __init__(self):
        self.heard = []
        self.done = []
        self.output = None

    def hear(self, _at, port, data):
        self.heard.append((port, data))

    def call(self, what):
        what()

    def open_output(self, output):
        self.output = output

    def close_output(self):
        self.output = None

    def lose_port(self, port):
        self.done.append(port)


def test_named_ports_are_opened_lost_and_opened_again(make_player, closing):
    """The code for ALSA, CoreMIDI and WinMM, on the one list of ports that this machine has: JACK's."""
    told = Told()
    spec = Spec(address="", authkey=b"", memory="", inputs=("PLAY", "other"), output="player", name="improv")
    system = closing(ListedSystem("jack", spec, told))
    state, _ = system.poll()
    assert state.message == "waiting for PLAY, other, player"
    player = make_player()
    for _ in range(2):  # a port must stand still
        state, _ = system.poll()
    assert (state.inputs, state.output) == ((("PLAY", True), ("other", False)), ("player", True))
    assert state.connected == ("player:out", "player:in")
    player.play(on(60))
    wait_until(lambda: told.heard == [("PLAY", on(60))], "the note")
    told.output(on(70))
    player.wait_for(on(70))
    player.close()
    wait_until(lambda: system.poll()[0].message == "waiting for PLAY, other, player", "the loss")
    assert told.done == ["PLAY"]
    assert told.output is None
    again = make_player()
    wait_until(lambda: system.poll()[0].message == "waiting for other", "the return")
    told.heard.clear()
    again.play(on(62))
    wait_until(lambda: told.heard == [("PLAY", on(62))], "the note")
    system.silence()


def test_virtual_ports_are_open_while_the_system_is(make_player, closing):
    told = Told()
    spec = Spec(address="", authkey=b"", memory="", name="improv")
    system = closing(ListedSystem("jack", spec, told))
    state, _ = system.poll()
    assert (state.inputs, state.output) == ((("improv in", True),), ("improv out", True))
    player = make_player()
    ours = [port for port in list_ports("jack")[0] if port.startswith("improv")]
    assert len(ours) == 1
    player.connect(ours[0], "player:in")
    told.output(on(60))
    player.wait_for(on(60))


def test_a_system_that_does_not_answer_is_waited_for(closing, monkeypatch):
    monkeypatch.setenv("JACK_DEFAULT_SERVER", "improv-nowhere")
    system = closing(ListedSystem("jack", Spec(address="", authkey=b"", memory=""), Told()))
    state, _ = system.poll()
    assert "JACK server not running" in state.message
    assert state.output == ("improv out", False)
    with pytest.raises(PortError, match="not running"):
        list_ports("jack")
