"""Every setting, typed, at its default. `config.py` reads and checks them; everybody else is handed these values.

Standard library only.
"""

from dataclasses import dataclass, field
from typing import Annotated, Literal


@dataclass(frozen=True, slots=True)
class Between:
    """Bounds of a number, both allowed."""

    low: float
    high: float


Channel = Annotated[int, Between(1, 16)]
Pitch = Annotated[int, Between(0, 127)]
Control = Annotated[int, Between(0, 119)]
Milliseconds = Annotated[float, Between(0, 60_000)]
Seconds = Annotated[float, Between(0, 3600)]

Backend = Literal["auto", "alsa", "jack", "coremidi", "winmm", "none"]


@dataclass(frozen=True, slots=True)
class Ports:
    """MIDI in and out. Channels are 1-16, as on screen."""

    backend: Backend = "auto"
    inputs: tuple[str, ...] = ()
    output: str | None = None
    virtual: bool | None = None
    name: str = "improv"
    input_channel: Channel | None = None
    output_channel: Channel = 1
    thru: bool = False
    echo_ms: Milliseconds = 30.0
    program: Annotated[int, Between(1, 128)] | None = None
    bank: Annotated[int, Between(0, 16_383)] | None = None
    max_note_s: Annotated[float, Between(0.1, 60)] = 11.0
    output_offset_ms: Annotated[float, Between(-500, 500)] = 0.0


@dataclass(frozen=True, slots=True)
class BargeIn:
    """What happens when the human plays into our answer."""

    cut: Literal["fade", "now"] = "fade"
    fade_ms: Annotated[float, Between(0, 2000)] = 150.0
    ghost_velocity: Annotated[int, Between(0, 127)] = 12
    ghost_ms: Annotated[float, Between(0, 1000)] = 60.0


@dataclass(frozen=True, slots=True)
class Turns:
    """When a phrase has ended, and how long the answer is."""

    silence_ms: Annotated[float, Between(100, 10_000)] | None = None
    silence_min_ms: Annotated[float, Between(100, 10_000)] = 400.0
    silence_max_ms: Annotated[float, Between(100, 10_000)] = 1500.0
    end_control: Control | None = None
    drone_s: Annotated[float, Between(0.5, 60)] = 4.0
    min_answer_s: Annotated[float, Between(0.5, 60)] = 1.0
    max_answer_s: Annotated[float, Between(0.5, 60)] = 8.0


@dataclass(frozen=True, slots=True)
class Model:
    """Which network answers, in which of its styles, and on which engine."""

    name: str = "lstm"
    engine: Literal["auto", "numpy", "keras", "gpu"] = "auto"
    style: str | None = None
    seed: Annotated[int, Between(0, 2**32 - 1)] | None = None


@dataclass(frozen=True, slots=True)
class Sampling:
    """How notes are drawn from the model's distributions."""

    temperature: Annotated[float, Between(0.05, 4)] = 1.0
    top_p: Annotated[float, Between(0.05, 1)] = 0.95
    lowest: Pitch = 28
    highest: Pitch = 100
    polyphony: Annotated[int, Between(1, 32)] = 8


@dataclass(frozen=True, slots=True)
class Session:
    """The journal of a jam."""

    record: bool = True
    folder: str = "sessions"


@dataclass(frozen=True, slots=True)
class Settings:
    """All of `config.yaml`."""

    ports: Ports = field(default_factory=Ports)
    barge_in: BargeIn = field(default_factory=BargeIn)
    turns: Turns = field(default_factory=Turns)
    model: Model = field(default_factory=Model)
    sampling: Sampling = field(default_factory=Sampling)
    session: Session = field(default_factory=Session)
