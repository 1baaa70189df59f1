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

Share = Annotated[float, Between(0, 1)]

Backend = Literal["auto", "alsa", "jack", "coremidi", "winmm", "none"]
Mode = Literal["answer", "duet", "trade", "solo", "listen"]
Tempo = Literal["auto", "clock", "internal", "playing", "free"]
PedalUse = Literal["none", "take_over", "hold"]
# fmt: off
KeyChoice = Literal[
    "auto", "none",
    "C major", "Db major", "D major", "Eb major", "E major", "F major",
    "F# major", "G major", "Ab major", "A major", "Bb major", "B major",
    "C minor", "C# minor", "D minor", "Eb minor", "E minor", "F minor",
    "F# minor", "G minor", "G# minor", "A minor", "Bb minor", "B minor",
]
# fmt: on


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
    """Which network answers, and on which engine."""

    name: str = "lstm"
    engine: Literal["auto", "numpy", "keras", "gpu"] = "auto"
    candidates: Annotated[int, Between(1, 64)] = 16
    seed: Annotated[int, Between(0, 2**32 - 1)] | None = None


@dataclass(frozen=True, slots=True)
class Controls:
    """What can be changed while playing. CC, program change, command line and file are doors to it; all at its default.

    `split` and `split_side`: the machine listens only to pitches below (or from) the split. `level`: 1 is as loud as
    the player. `start`: with a beat, answers begin on the next of these. `tempo`: where the beat comes from.
    """

    mode: Mode = "answer"
    temperature: Annotated[float, Between(0.05, 4)] = 1.0
    top_p: Annotated[float, Between(0.05, 1)] = 0.95
    style: str | None = None
    density: Annotated[float, Between(0.25, 4)] = 1.0
    level: Annotated[float, Between(0, 2)] = 1.0
    lowest: Pitch = 28
    highest: Pitch = 100
    transpose: Annotated[int, Between(-24, 24)] = 0
    polyphony: Annotated[int, Between(1, 32)] = 8
    split: Pitch | None = None
    split_side: Literal["below", "above"] = "above"
    key: KeyChoice = "auto"
    key_strength: Share = 0.25
    tempo: Tempo = "auto"
    bpm: Annotated[float, Between(20, 300)] = 120.0
    beats_per_bar: Annotated[int, Between(1, 16)] = 4
    start: Literal["beat", "bar"] = "beat"
    quantise: Share = 0.7
    trade_bars: Annotated[int, Between(1, 16)] = 4
    lead: bool = False
    memory: Share = 1.0
    freeze: bool = False
    mute: bool = False


@dataclass(frozen=True, slots=True)
class Preset:
    """Some controls, recalled together by a program change (1-128). `values`: pairs of a control's name and value."""

    program: Annotated[int, Between(1, 128)]
    name: str | None = None
    values: tuple[tuple[str, object], ...] = ()


@dataclass(frozen=True, slots=True)
class Midi:
    """Which controllers move the controls. `map`: pairs of a control's name and its CC (None: none); else the default.

    `takeover`: whether a knob waits for the present value or jumps. `learned`: the file of bindings that were learned.
    """

    channel: Channel | None = None
    takeover: Literal["pickup", "jump"] = "pickup"
    map: tuple[tuple[str, Control | None], ...] = ()
    learned: str | None = "midi-map.json"


@dataclass(frozen=True, slots=True)
class Pedals:
    """What the pedals do besides what they do to notes."""

    sustain: PedalUse = "none"
    sostenuto: PedalUse = "none"
    soft: PedalUse = "none"


@dataclass(frozen=True, slots=True)
class Player:
    """Whose playing is remembered from session to session, and where; no name: it is forgotten at the end."""

    name: str | None = None
    folder: str = "players"


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
    controls: Controls = field(default_factory=Controls)
    presets: tuple[Preset, ...] = ()
    midi: Midi = field(default_factory=Midi)
    pedals: Pedals = field(default_factory=Pedals)
    player: Player = field(default_factory=Player)
    session: Session = field(default_factory=Session)
