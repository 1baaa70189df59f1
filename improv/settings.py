"""Every setting, typed, at its default. `config.py` reads and checks them; everybody else is handed these values.

Standard library and `annotated_types` only: the ports process imports this module.
"""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from annotated_types import Ge, Interval, Le

Channel = Annotated[int, Interval(ge=1, le=16)]
Pitch = Annotated[int, Interval(ge=0, le=127)]
Control = Annotated[int, Interval(ge=0, le=119)]
Milliseconds = Annotated[float, Interval(ge=0, le=60_000)]
Seconds = Annotated[float, Interval(ge=0, le=3600)]

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
    program: Annotated[int, Interval(ge=1, le=128)] | None = None
    bank: Annotated[int, Interval(ge=0, le=16_383)] | None = None
    max_note_s: Annotated[float, Interval(ge=0.1, le=60)] = 11.0


@dataclass(frozen=True, slots=True)
class BargeIn:
    """What happens when the human plays into our answer."""

    cut: Literal["fade", "now"] = "fade"
    fade_ms: Annotated[float, Interval(ge=0, le=2000)] = 150.0
    ghost_velocity: Annotated[int, Interval(ge=0, le=127)] = 12
    ghost_ms: Annotated[float, Interval(ge=0, le=1000)] = 60.0


@dataclass(frozen=True, slots=True)
class Turns:
    """When a phrase has ended, and how long the answer is."""

    silence_ms: Annotated[float, Interval(ge=100, le=10_000)] | None = None
    silence_min_ms: Annotated[float, Interval(ge=100, le=10_000)] = 400.0
    silence_max_ms: Annotated[float, Interval(ge=100, le=10_000)] = 1500.0
    end_control: Control | None = None
    drone_s: Annotated[float, Interval(ge=0.5, le=60)] = 4.0
    min_answer_s: Annotated[float, Interval(ge=0.5, le=60)] = 1.0
    max_answer_s: Annotated[float, Interval(ge=0.5, le=60)] = 8.0


@dataclass(frozen=True, slots=True)
class Model:
    """Which network answers, and on which engine."""

    name: str = "tutorial"
    engine: Literal["auto", "numpy"] = "auto"
    seed: Annotated[int, Ge(0), Le(2**32 - 1)] | None = None


@dataclass(frozen=True, slots=True)
class Sampling:
    """How notes are drawn from the model's distributions."""

    temperature: Annotated[float, Interval(ge=0.05, le=4)] = 1.0
    top_p: Annotated[float, Interval(ge=0.05, le=1)] = 0.95
    lowest: Pitch = 28
    highest: Pitch = 100
    polyphony: Annotated[int, Interval(ge=1, le=32)] = 8


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
