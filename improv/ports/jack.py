"""The JACK server: our two ports through python-rtmidi, watched over and connected through JACK-Client.

python-rtmidi alone would hang with the interpreter's lock held some time after the server has died; the watch hears
of the death at once, and the process leaves. Its successor waits for the server.
"""

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from typing import Any

import rtmidi

from improv.clock import now as clock
from improv.errors import PortError
from improv.ports.connections import Patchbay
from improv.ports.link import PortState
from improv.ports.loop import Loop
from improv.ports.memory import Memory
from improv.ports.midi import close_input, close_output, hand_over, is_ours, matches, open_input
from improv.ports.spec import Spec

try:
    import jack
except OSError as error:  # JACK-Client without JACK
    raise PortError("JACK's library is not installed") from error

WAIT, WATCH, RETRY = 0.3, 1.0, 0.05  # seconds between looks: no server; all well; something to connect
PATIENCE = 1.0  # seconds to wait for remembered peers before what is owed is sent anyway
CURE = 0.05  # seconds for a message to reach our own input
FAILURES = 20  # looks in a row that may fail
SETTLE = 0.2  # seconds until a new connection surely passes everything on
NAME_FREE = 2.0  # seconds that a jam before us, just ended, may hold our names

_log = logging.getLogger(__name__)

jack.set_error_function(lambda _: None)
jack.set_info_function(lambda _: None)


class JackSystem:
    """See `midi.System`."""

    def __init__(
        self, spec: Spec, loop: Loop, memory: Memory, wake: Callable[[], None], die: Callable[[str], None]
    ) -> None:
        self._name = spec.name
        self._in_name, self._out_name = f"{spec.name} in", f"{spec.name} out"  # of our two clients
        self._in, self._out = f"{self._in_name}:midi", f"{self._out_name}:midi"
        self._wanted = {self._in: spec.inputs, self._out: (spec.output,) if spec.output else ()}
        self._loop = loop
        self._memory = memory
        self._wake = wake
        self._die = die
        self._watch: Any = None
        self._midi_in: Any = None
        self._midi_out: Any = None
        self._patchbay = Patchbay(memory.connections)
        self._invited: dict[str, set[str]] = {self._in: set(), self._out: set()}
        self._connected: tuple[str, ...] = ()
        self._departed: deque[str] = deque()
        self._is_first = spec.epoch == 1  # else the names can only be a predecessor's, and will be free
        self._names_taken_since: float | None = None
        self._said: list[bytes] = []  # what a predecessor owed, sent at `_said_at`
        self._said_at = 0.0
        self._unplugged = False  # whether a player has gone, perhaps in the middle of a SysEx message
        self._failures = 0

    def poll(self) -> tuple[PortState, float]:
        """See `midi.System`."""
        try:
            if self._watch is None and not self._find_server():
                return self._state("waiting for a JACK server"), WAIT
            if self._midi_in is None and not self._open():
                return self._state("waiting for the port names to be free"), RETRY
            unsettled = self._look() | self._say_again()
        except (jack.JackError, rtmidi.RtMidiError) as error:
            # While a client leaves, the server's answers contradict each other. What does not pass, or hinders our
            # opening, needs a fresh process; a server that dies is told to the watch's shutdown callback.
            self._failures += 1
            if self._midi_in is None or self._failures > FAILURES:
                self._die(f"the JACK server fails: {error}")
            return self._state(""), RETRY
        self._failures = 0
        return self._state(""), RETRY if unsettled else WATCH

    def silence(self) -> None:
        """See `midi.System`."""
        if self._midi_in:
            self._midi_in.cancel_callback()

    def close(self) -> None:
        """See `midi.System`."""
        if self._midi_in:
            close_input(self._midi_in)
            close_output(self._midi_out)
        if self._watch:
            self._watch.close()

    def _find_server(self) -> bool:
        try:
            watch = jack.Client(f"{self._name} watch", no_start_server=True)
        except jack.JackOpenError:
            return False
        # These are called on a thread of JACK's, in which the server must not be asked anything.
        watch.set_shutdown_callback(lambda _status, _reason: self._die("server lost"))
        watch.set_client_registration_callback(self._on_client)
        watch.set_port_registration_callback(self._on_change, only_available=False)
        watch.set_port_connect_callback(self._on_change, only_available=False)
        watch.activate()  # it has no process callback: nothing of it runs in the audio cycle
        self._watch = watch
        return True

    def _on_client(self, name: str, registered: bool) -> None:  # noqa: FBT001  (JACK-Client's signature)
        if not registered:
            self._departed.append(name)
        self._wake()

    def _on_change(self, *_: object) -> None:
        self._wake()

    def _open(self) -> bool:
        if any(port.name in self._wanted for port in self._watch.get_ports()):
            # A killed predecessor that the server has not buried yet; or another improv.
            self._names_taken_since = self._names_taken_since or clock()
            if self._is_first and clock() - self._names_taken_since > NAME_FREE:
                raise PortError(f"another improv owns the JACK ports {self._in!r} and {self._out!r}")
            return False
        api = rtmidi.API_UNIX_JACK
        self._midi_in = open_input(api, self._in_name, "midi", hand_over(self._loop.hear, self._in_name))
        self._midi_out = rtmidi.MidiOut(api, self._out_name)
        self._midi_out.open_virtual_port("midi")
        deadline = clock() + PATIENCE
        while self._look() and clock() < deadline:
            time.sleep(0.01)
        self._said, self._said_at = self._memory.ledger.owed(), clock()
        self._loop.call(partial(self._loop.open_output, self._midi_out.send_message))
        return True

    def _say_again(self) -> bool:
        """Repeat what was owed, for the first period of a connection may lose it; say whether that is still to come."""
        if self._said and clock() >= self._said_at + SETTLE:
            self._loop.call(partial(self._loop.send_again, self._said))
            self._said = []
        return bool(self._said)

    def _look(self) -> bool:
        """Compare connections with what they were; say whether some are still to be made."""
        departed = [self._departed.popleft() for _ in range(len(self._departed))]
        sources = self._watch.get_ports(is_midi=True, is_output=True)
        sinks = self._watch.get_ports(is_midi=True, is_input=True)
        present = [port.name for port in (*sources, *sinks)]
        if self._in not in present or self._out not in present:
            self._die("the server has thrown out our ports")
        self._invite(self._in, sources)
        self._invite(self._out, sinks)
        connected = {ours: self._peers(ours) for ours in (self._in, self._out)}
        remembered = self._patchbay.remembered()
        changes = self._patchbay.look(clock(), present, connected, departed)
        if self._patchbay.remembered() != remembered:
            self._memory.connections = self._patchbay.remembered()
        self._connected = tuple(peer for peers in connected.values() for peer in peers)
        for ours, peer in changes.connect:
            self._connect(ours, peer)
        if any(ours == self._in for ours, _ in changes.lost):
            self._unplugged = True
            self._loop.call(partial(self._loop.lose_port, self._in_name))
        if any(ours == self._out for ours, _ in changes.gained):
            self._loop.call(self._loop.greet)
        if self._unplugged and any(ours == self._in for ours, _ in changes.gained):
            self._unplugged = False
            self._end_sysex()
        return bool(changes.connect)

    def _peers(self, ours: str) -> list[str]:
        ports = (port.name for port in self._watch.get_all_connections(ours))
        return [port for port in ports if not is_ours(port, self._name)]

    def _end_sysex(self) -> None:
        """Send our input the end of a SysEx message.

        A player unplugged in the middle of one leaves python-rtmidi deaf: on JACK it passes nothing on until the end
        has come. Nobody can see that from outside, so the end is sent when a player is connected after one has gone.
        """
        with closing(jack.Client(f"{self._in_name} cure", no_start_server=True)) as cure:
            out = cure.midi_outports.register("out")

            @cure.set_process_callback  # type: ignore[untyped-decorator]
            def process(_frames: int) -> None:  # JACK's thread
                out.clear_buffer()
                out.write_midi_event(0, b"\xf7")

            cure.activate()
            cure.connect(out, self._in)
            # Every period, for a while: the first ones may come before the connection is really there.
            time.sleep(CURE)

    def _invite(self, ours: str, ports: Sequence[Any]) -> None:
        """Have ports that the settings name connected when they appear; not again while they stay."""
        invited = {
            port.name
            for port in ports
            if not is_ours(port.name, self._name)
            and any(matches(wanted, name) for wanted in self._wanted[ours] for name in (port.name, *port.aliases))
        }
        for peer in sorted(invited - self._invited[ours]):
            self._patchbay.invite(ours, peer)
        self._invited[ours] = invited

    def _connect(self, ours: str, peer: str) -> None:
        source, sink = (peer, ours) if ours == self._in else (ours, peer)
        try:
            self._watch.connect(source, sink)
        except jack.JackError as error:
            _log.info("cannot connect %s to %s yet: %s", source, sink, error)

    def _state(self, message: str) -> PortState:
        is_open = self._midi_in is not None
        named = (*self._wanted[self._in], *self._wanted[self._out])
        missing = [name for name in named if not any(matches(name, peer) for peer in self._connected)]
        if not message and missing:
            message = f"waiting for {', '.join(missing)}"
        return PortState("jack", ((self._in_name, is_open),), (self._out_name, is_open), self._connected, message)
