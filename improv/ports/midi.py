"""The MIDI systems, through python-rtmidi: ALSA, JACK, CoreMIDI, WinMM, or none.

A system is polled by the process's main thread (CoreMIDI's list of ports is alive on the thread that made the first
client only). It opens what it can, reopens by name what has come back, and tells the deadline loop.
"""

import contextlib
import importlib
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

import rtmidi

from improv.clock import now as clock
from improv.errors import PortError
from improv.ports.link import PortState
from improv.ports.loop import Loop
from improv.ports.memory import Memory
from improv.ports.spec import Spec

POLL = 0.5  # seconds

OnMessage = Callable[[tuple[list[int], float], object], None]

APIS = {
    "alsa": rtmidi.API_LINUX_ALSA,
    "jack": rtmidi.API_UNIX_JACK,
    "coremidi": rtmidi.API_MACOSX_CORE,
    "winmm": rtmidi.API_WINDOWS_MM,
}
_JACK = "improv.ports.jack"  # imported when needed: 30 ms, and a library that others lack
_SEQUENCER = "/dev/snd/seq"


class System(Protocol):
    """A MIDI system. Main thread only."""

    def poll(self) -> tuple[PortState, float]:
        """Open and reopen what is there; return how the ports are, and after how many seconds to look again.

        Raises PortError if our ports cannot be had.
        """

    def silence(self) -> None:
        """Hear nothing any more."""

    def close(self) -> None:
        """Close everything. The loop must have stopped."""


class NoSystem:
    """No MIDI ports at all: players and synthesizers in software only."""

    def __init__(self, loop: Loop) -> None:
        loop.call(partial(loop.open_output, _nowhere))

    def poll(self) -> tuple[PortState, float]:
        """Return the state, which never changes."""
        return PortState("none", (), ("", False)), 3600.0

    def silence(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


def _nowhere(_: bytes) -> None:
    """Send to no MIDI port."""


def resolve(backend: str) -> str:
    """Return the back end that `auto` stands for on this machine. Raises PortError for one it cannot have."""
    if backend == "auto":
        if sys.platform == "darwin":
            return "coremidi"
        if sys.platform == "win32":
            return "winmm"
        return "alsa" if os.access(_SEQUENCER, os.R_OK | os.W_OK) else "jack"
    if backend != "none" and APIS[backend] not in rtmidi.get_compiled_api():
        raise PortError(f"the MIDI system {backend!r} does not exist on this machine's operating system")
    return backend


def list_ports(backend: str) -> tuple[list[str], list[str]]:
    """Return the names of the inputs and outputs of one MIDI system. Raises PortError if it does not answer."""
    api = APIS[backend]
    names: list[list[str]] = []
    for kind in (rtmidi.MidiIn, rtmidi.MidiOut):
        try:
            client = kind(api, "improv list")
        except rtmidi.RtMidiError as error:
            raise PortError(f"{backend}: {error}") from error
        names.append(client.get_ports())
        client.delete()
    return names[0], names[1]


def open_input(api: int, client: str, port: str, on_message: OnMessage, index: int | None = None) -> rtmidi.MidiIn:
    """Open an input: a virtual port called `port`, or the existing one at `index`."""
    midi_in = rtmidi.MidiIn(api, client)
    # SysEx and active sensing are dropped by the driver; the clock is wanted.
    midi_in.ignore_types(sysex=True, timing=False, active_sense=True)
    midi_in.set_callback(on_message)
    if index is None:
        midi_in.open_virtual_port(port)
    else:
        midi_in.open_port(index, port)
    return midi_in


def hand_over(hear: Callable[[float, str, bytes], None], port: str) -> OnMessage:
    """Return a driver's callback that stamps, hands over and returns."""

    def on_message(event: tuple[list[int], float], _: object) -> None:
        # Driver's thread. An exception would vanish, and the note with it; nothing here raises.
        hear(clock(), port, bytes(event[0]))

    return on_message


def close_input(midi_in: rtmidi.MidiIn) -> None:
    """Close an input: unhook first, for the driver's thread may be about to call."""
    midi_in.cancel_callback()
    midi_in.close_port()
    midi_in.delete()


def close_output(midi_out: rtmidi.MidiOut) -> None:
    """Close an output."""
    midi_out.close_port()
    midi_out.delete()


class ListedSystem:
    """ALSA, CoreMIDI and WinMM: virtual ports where the system has them, else existing ports by partial name."""

    def __init__(self, backend: str, spec: Spec, loop: Loop) -> None:
        self._backend = backend
        self._api = APIS[backend]
        self._loop = loop
        self._name = spec.name
        can = backend != "winmm"
        self._virtual_in = can and (spec.virtual if spec.virtual is not None else not spec.inputs)
        self._virtual_out = can and (spec.virtual if spec.virtual is not None else spec.output is None)
        self._wanted = () if self._virtual_in else spec.inputs
        self._wanted_out = None if self._virtual_out else spec.output
        self._probe_in: Any = None
        self._probe_out: Any = None
        self._inputs: dict[str, tuple[str, Any]] = {}  # wanted name -> the port's full name, and the port
        self._output: tuple[str, Any] | None = None
        self._seen: set[str] = set()  # at the last look: a port must stand still before it is opened again
        self._first = True

    def poll(self) -> tuple[PortState, float]:
        """See `System`."""
        try:
            trouble = self._open()
        except rtmidi.RtMidiError as error:
            return self._state(str(error)), POLL
        return self._state("; ".join(trouble)), POLL

    def silence(self) -> None:
        """See `System`."""
        for _, midi_in in self._inputs.values():
            midi_in.cancel_callback()

    def close(self) -> None:
        """See `System`."""
        for _, midi_in in self._inputs.values():
            close_input(midi_in)
        if self._output:
            close_output(self._output[1])
        self._inputs, self._output = {}, None

    def _open(self) -> list[str]:
        """Open what is there and wanted; return what went wrong, for one busy port must not keep us from the others."""
        if self._probe_in is None:
            self._probe_in = rtmidi.MidiIn(self._api, self._name)
            self._probe_out = rtmidi.MidiOut(self._api, self._name)
        if self._virtual_in and not self._inputs:
            port = f"{self._name} in"
            self._inputs[port] = (port, open_input(self._api, self._name, port, hand_over(self._loop.hear, port)))
        if self._virtual_out and not self._output:
            midi_out = rtmidi.MidiOut(self._api, self._name)
            midi_out.open_virtual_port(f"{self._name} out")
            self._use(f"{self._name} out", midi_out)
        inputs, outputs = self._probe_in.get_ports(), self._probe_out.get_ports()
        looks = [partial(self._look_at_input, wanted, inputs) for wanted in self._wanted]
        trouble = []
        for look in (*looks, partial(self._look_at_output, outputs)):
            try:
                look()
            except rtmidi.RtMidiError as error:
                trouble.append(str(error))
        self._seen, self._first = {*inputs, *outputs}, False
        return trouble

    def _look_at_input(self, wanted: str, names: Sequence[str]) -> None:
        if wanted in self._inputs:
            full, midi_in = self._inputs[wanted]
            if full not in names:
                del self._inputs[wanted]
                close_input(midi_in)
                self._loop.call(partial(self._loop.lose_port, wanted))
        taken = {full for full, _ in self._inputs.values()}
        index = self._find(wanted, names, taken)
        if wanted not in self._inputs and index is not None:
            on_message = hand_over(self._loop.hear, wanted)
            midi_in = open_input(self._api, self._name, wanted, on_message, index)
            self._inputs[wanted] = (names[index], midi_in)

    def _look_at_output(self, names: Sequence[str]) -> None:
        if self._wanted_out is None:
            return
        if self._output and self._output[0] not in names:
            close = partial(close_output, self._output[1])
            self._output = None
            self._loop.call(self._loop.close_output)
            self._loop.call(close)  # on the deadline thread, which may be sending
        index = self._find(self._wanted_out, names, set())
        if not self._output and index is not None:
            midi_out = rtmidi.MidiOut(self._api, self._name)
            midi_out.open_port(index, f"{self._name} out")
            self._use(names[index], midi_out)

    def _use(self, name: str, midi_out: rtmidi.MidiOut) -> None:
        self._output = (name, midi_out)
        self._loop.call(partial(self._loop.open_output, midi_out.send_message))

    def _find(self, wanted: str, names: Sequence[str], taken: set[str]) -> int | None:
        for index, name in enumerate(names):
            steady = self._first or name in self._seen
            if steady and matches(wanted, name) and name not in taken and not is_ours(name, self._name):
                return index
        return None

    def _state(self, message: str) -> PortState:
        wanted = self._wanted or ((f"{self._name} in",) if self._virtual_in else ())
        inputs = tuple((name, name in self._inputs) for name in wanted)
        out = f"{self._name} out" if self._virtual_out else self._wanted_out or ""
        missing = [name for name, is_open in (*inputs, (out, self._output is not None)) if name and not is_open]
        if not message and missing:
            message = f"waiting for {', '.join(missing)}"
        elif not message and not (inputs and out):
            message = "name the ports to use: this system has no virtual ones"
        connected = [full for full, _ in self._inputs.values()] + ([self._output[0]] if self._output else [])
        return PortState(self._backend, inputs, (out, self._output is not None), tuple(connected), message)


def matches(wanted: str, name: str) -> bool:
    """Say whether a port's name contains the wanted one, whatever the case."""
    return wanted.casefold() in name.casefold()


def is_ours(port: str, name: str) -> bool:
    """Say whether a port belongs to a program called `name`: ours are never connected to ourselves."""
    return port.startswith((f"{name} in", f"{name} out", f"{name}:"))


def warm_up() -> None:
    """Import what this machine's `auto` will need."""
    if resolve("auto") == "jack":
        with contextlib.suppress(PortError):
            importlib.import_module(_JACK)


def make_system(spec: Spec, loop: Loop, memory: Memory, wake: Callable[[], None], die: Callable[[str], None]) -> System:
    """Return the MIDI system of `spec`. `wake` asks for a poll (any thread), `die` ends the process at once.

    Raises PortError if this machine cannot have it.
    """
    backend = resolve(spec.backend)
    if backend == "none":
        return NoSystem(loop)
    if backend == "jack":
        system: System = importlib.import_module(_JACK).JackSystem(spec, loop, memory, wake, die)
        return system
    return ListedSystem(backend, spec, loop)
