"""Check whether this machine can jam. Every finding is a sentence for a person, with what to do if it is not well."""

import importlib.util
import os
import platform
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from improv.clock import now
from improv.errors import EngineError, ModelError, PortError
from improv.events import NoteOff, NoteOn, encode
from improv.settings import Settings

_NAME = "improv doctor"
_NOTES = 20
_NOTE_S = 0.15
_WAIT_S = 1.0
_TIMEOUTS = 200
_TIMEOUT_S = 0.004
# Players feel notes that are later than this.
_LATE_MS = 5.0

_REMEDIES = {
    "alsa": "Load ALSA's sequencer (`sudo modprobe snd-seq`), and be in the group `audio`.",
    "jack": "Start a JACK server (for example `jackd -d alsa`), or load ALSA's sequencer (`sudo modprobe snd-seq`).",
    "coremidi": "Restart the Mac's MIDI server: `killall MIDIServer`.",
    "winmm": "Restart the service `Windows MIDI Service`.",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """`needed`: without it a jam cannot start."""

    well: bool
    text: str
    remedy: str = ""
    needed: bool = True


def examine(settings: Settings) -> Iterator[Finding]:
    """Yield what is found, as it is found."""
    yield Finding(well=True, text=f"Python {platform.python_version()} on {platform.system()} {platform.machine()}")
    yield from _midi(settings)
    yield _timer()
    yield _model(settings.model.name, settings.controls.style)
    yield _folder(Path(settings.session.folder).expanduser())
    yield _gpu()
    yield _engine(settings.model.engine)


def measure_loopback(settings: Settings) -> Iterator[Finding]:
    """Send notes out, and measure how they come back: through ports of our own, or through the ports that are named.

    Raises PortError if a named port is not there.
    """
    from improv.ports.midi import resolve

    system = resolve(settings.ports.backend)
    if system == "none":
        raise PortError("no MIDI system is chosen (ports.backend is none)")
    with quiet_libraries():
        times = _send_and_hear(system, settings)
    if times:
        milliseconds = sorted(1000 * time for time in times)
        yield Finding(
            well=len(times) == _NOTES,
            text=f"{len(times)} of {_NOTES} notes came back through {system}, "
            f"p50 {median(milliseconds):.2f} ms, slowest {milliseconds[-1]:.2f} ms",
            remedy="Some were lost: look at the cable, or at what else uses the ports.",
        )
    else:
        yield Finding(
            well=False,
            text=f"no note came back through {system}",
            remedy="Connect the output to the input (a cable, a loopback port), and name both with --in and --out.",
        )


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Keep what C libraries print about missing servers away from the terminal."""
    sys.stderr.flush()
    with suppress(OSError), Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        kept = os.dup(2)
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def _midi(settings: Settings) -> Iterator[Finding]:
    from improv.ports.midi import list_ports, matches, resolve

    try:
        system = resolve(settings.ports.backend)
        if system == "none":
            yield Finding(well=True, text="MIDI system: none, as chosen (ports.backend)")
            return
        with quiet_libraries():
            inputs, outputs = list_ports(system)
    except PortError as error:
        name = str(error).partition(":")[0]
        yield Finding(well=False, text=f"MIDI system: {error}", remedy=_REMEDIES.get(name, _REMEDIES["jack"]))
        return
    yield Finding(well=True, text=f"MIDI system: {system}, with {len(inputs)} inputs and {len(outputs)} outputs to see")
    yield _virtual(system)
    for wanted, names in (
        *((name, inputs) for name in settings.ports.inputs),
        *([(settings.ports.output, outputs)] if settings.ports.output else []),
    ):
        found = [name for name in names if matches(wanted, name)]
        yield Finding(
            well=bool(found),
            text=f"port {wanted!r}: {found[0] if found else 'not there now; a jam would wait for it'}",
            remedy="`improv ports` lists the ports there are.",
            needed=False,
        )


def _virtual(system: str) -> Finding:
    try:
        with quiet_libraries():
            midi_out, midi_in = _open(system, None, None)
    except PortError as error:
        return Finding(
            well=False,
            text=f"ports of our own: {error}",
            remedy="Name existing ports with --in and --out; on Windows make one loopback port for each direction.",
            needed=False,
        )
    _close(midi_in, midi_out)
    return Finding(well=True, text="ports of our own: can be made, and connected")


def _open(system: str, output: str | None, source: str | None) -> tuple[Any, Any]:
    """Return an output and an input: the named ports, or a port of our own and one that is connected to it."""
    import rtmidi

    from improv.ports.midi import APIS

    midi_out, midi_in = rtmidi.MidiOut(APIS[system], _NAME), rtmidi.MidiIn(APIS[system], f"{_NAME} ear")
    try:
        if output is None:
            midi_out.open_virtual_port("loop")
        else:
            midi_out.open_port(_index(midi_out.get_ports(), output), "loop")
        midi_in.open_port(_index(midi_in.get_ports(), source or _NAME), "loop")
    except (rtmidi.RtMidiError, NotImplementedError, PortError) as error:
        _close(midi_in, midi_out)
        raise PortError(str(error) or "this system has none") from error
    return midi_out, midi_in


def _index(names: list[str], wanted: str) -> int:
    from improv.ports.midi import matches

    for index, name in enumerate(names):
        if matches(wanted, name):
            return index
    raise PortError(f"no port matches {wanted!r}")


def _close(midi_in: Any, midi_out: Any) -> None:
    midi_in.cancel_callback()
    for port in (midi_in, midi_out):
        port.close_port()
        port.delete()


def _send_and_hear(system: str, settings: Settings) -> list[float]:
    """Return the round trip times, in seconds, of the notes that came back."""
    source = settings.ports.inputs[0] if settings.ports.inputs else None
    midi_out, midi_in = _open(system, settings.ports.output, source)
    heard = threading.Event()
    came: list[float] = []
    channel = settings.ports.output_channel - 1
    times = []
    try:
        for number in range(_NOTES):
            note = NoteOn(60 + number % 12, 80, channel)
            expected = list(encode(note))
            heard.clear()
            came.clear()

            def on_message(event: tuple[list[int], float], _: object, expected: list[int] = expected) -> None:
                # The driver's thread.
                if event[0] == expected:
                    came.append(now())
                    heard.set()

            midi_in.set_callback(on_message)
            sent = now()
            midi_out.send_message(expected)
            if heard.wait(_WAIT_S):
                times.append(came[0] - sent)
            threading.Event().wait(_NOTE_S)
            midi_out.send_message(list(encode(NoteOff(note.pitch, channel))))
            if not times and number == 2:
                break  # nothing is connected
    finally:
        threading.Event().wait(_NOTE_S)  # drivers pass on the last message only while the port is open
        _close(midi_in, midi_out)
    return times


def _timer() -> Finding:
    condition = threading.Condition()
    late = []
    with condition:
        for _ in range(_TIMEOUTS):
            due = now() + _TIMEOUT_S
            condition.wait(_TIMEOUT_S)
            late.append(1000 * (now() - due))
    p99 = quantiles(late, n=100)[98]
    return Finding(
        well=p99 < _LATE_MS,
        text=f"timers: late by p50 {median(late):.2f} ms, p99 {p99:.2f} ms",
        remedy="Other programs keep this machine busy; notes may come late.",
        needed=False,
    )


def _model(name: str, style: str | None) -> Finding:
    from improv.predict.weights import check_style, find, load

    try:
        weights = load(find(name))
        check_style(weights.name, weights.card, style)
    except ModelError as error:
        return Finding(well=False, text=f"model: {error}", remedy="Choose another with --model or --style.")
    styles = f"; styles: {', '.join(weights.card.styles)}" if weights.card.styles else ""
    return Finding(well=True, text=f"model: {weights.name} ({weights.card.network}), loads{styles}")


def _folder(folder: Path) -> Finding:
    there = folder
    while not there.exists() and there != there.parent:
        there = there.parent
    try:
        with tempfile.TemporaryFile(dir=there):
            return Finding(well=True, text=f"sessions: {folder} can be written")
    except OSError as error:
        return Finding(
            well=False,
            text=f"sessions: {folder} cannot be written: {error.strerror}",
            remedy="A jam would go on without a record. Choose another folder with --record.",
            needed=False,
        )


def _gpu() -> Finding:
    from improv.engine.device import gpu_visible

    visible = "a GPU is visible" if gpu_visible() else "no GPU is visible"
    if importlib.util.find_spec("tensorflow") is None:
        return Finding(well=True, text=f"TensorFlow: not installed, and {visible}; playing needs neither", needed=False)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with quiet_libraries():
        import tensorflow as tf

        gpus = tf.config.list_physical_devices("GPU")
    used = f"can use {len(gpus)}" if gpus else "can use none; playing and the tutorial's training do without"
    return Finding(well=True, text=f"TensorFlow {tf.__version__}: {visible}, it {used}", needed=False)


def _engine(wanted: str) -> Finding:
    from improv.engine import device

    there = ["numpy", *(["keras"] if device.keras_installed() else []), *(["gpu"] if device.gpu_usable() else [])]
    try:
        device.check(wanted)
    except EngineError as error:
        return Finding(well=False, text=f"engine: {error}", remedy="Or choose another with --engine.")
    return Finding(well=True, text=f"engines: {', '.join(there)}; chosen: {wanted}")
