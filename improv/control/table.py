"""The one table of what can be steered while playing: every field of `Controls`, and every action.

What a value may be is read off the types in `settings.py`. A value and the position of a controller (0-127) translate
into each other: choices, whole numbers and switches share the range evenly; numbers have their middle at 64.
"""

from dataclasses import dataclass, fields
from functools import lru_cache
from math import log
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

from improv.control.checks import choices
from improv.settings import Controls

Value = str | float | int | bool | None
Kind = Literal["number", "ratio", "whole", "choice", "switch", "action"]

# A switch is on, a pedal down and a button pressed from here on (MIDI 1.0).
DOWN = 64
# As many digits of a number as a knob of 128 positions can tell apart.
_DIGITS = 3


@dataclass(frozen=True, slots=True)
class Entry:
    """One row: a control (`name` is its field in `Controls`) or an action. `cc` is its controller by default.

    A "ratio" is a number whose every step multiplies. `choices` are all values in order, where they are counted; an
    `optional` number is None at position 0.
    """

    name: str
    cc: int
    label: str
    help: str
    kind: Kind
    low: float = 0.0
    high: float = 0.0
    choices: tuple[Value, ...] = ()
    optional: bool = False

    def from_cc(self, position: int) -> Value:
        """Return the value at a controller's position (0-127). Never falls while the position rises."""
        if self.optional and position == 0:
            return None
        if self.choices:
            return self.choices[position * len(self.choices) // 128]
        place = position / 128 if position <= 64 else 0.5 + (position - 64) / 126
        if self.kind == "ratio":
            return _rounded(self.low * (self.high / self.low) ** place)
        return _rounded(self.low + (self.high - self.low) * place)

    def to_cc(self, value: Any) -> int:  # noqa: ANN401 - a Value; None only where there is one
        """Return the position (0-127) at which a controller stands for `value`; of several, the middle one."""
        if value is None and self.optional:
            return 0
        if self.choices:
            number = self.choices.index(value) if value in self.choices else 0
            return (2 * number + 1) * 128 // (2 * len(self.choices))
        if self.kind == "ratio":
            place = log(value / self.low) / log(self.high / self.low)
        else:
            place = (float(value) - self.low) / (self.high - self.low)
        return round(place * 128 if place <= 0.5 else 64 + (place - 0.5) * 126)


# name: default CC, label, what it does. The CCs are those that MIDI 1.0 leaves free: 20-31, 85-87, 89-90, 102-119.
_CONTROLS = {
    "mode": (
        20,
        "Mode",
        "how it plays with you: in answer, along with you, in turns of some bars, alone, or not at all",
    ),
    "temperature": (21, "Temperature", "1: as the model thinks; lower: safer; higher: wilder"),
    "density": (22, "Density", "more or fewer notes a second than the model would play"),
    "level": (23, "Level", "how loud it plays: 1 is as loud as you, 0 is silent"),
    "memory": (24, "Memory", "how much of what you have played before colours what it plays"),
    "key_strength": (25, "Key strength", "how much less likely pitches outside the key are"),
    "quantise": (26, "Quantise", "how strongly its notes are drawn to the beat"),
    "lowest": (27, "Lowest pitch", "it plays no pitch below this one; 60 is middle C"),
    "highest": (28, "Highest pitch", "it plays no pitch above this one"),
    "transpose": (29, "Transpose", "semitones by which it plays higher or lower"),
    "polyphony": (30, "Polyphony", "how many notes may sound at a time"),
    "style": (31, "Style", "one of the styles that the model tells apart; null: none in particular"),
    "key": (85, "Key", "the key it stays in; auto: the one it hears you play in"),
    "split": (86, "Split point", "it listens to one side of this pitch only; null: to the whole keyboard"),
    "split_side": (87, "Split side", "the side that it listens to; above holds the split point itself"),
    "top_p": (89, "Top p", "it chooses among the likeliest pitches that together make up this share"),
    "trade_bars": (90, "Trade bars", "how many bars each has in turn, in the mode trade"),
    "tempo": (102, "Tempo source", "where the beat comes from"),
    "bpm": (103, "Beats a minute", "the tempo, while its source is internal"),
    "beats_per_bar": (104, "Beats per bar", "how many beats a bar has"),
    "start": (105, "Start", "with a beat, it comes in on the next of these"),
    "lead": (106, "Lead", "it sends MIDI clock, for others to follow"),
    "freeze": (107, "Freeze", "it learns nothing new from you"),
    "mute": (108, "Mute", "it is silent and goes on listening"),
}
_ACTIONS = {
    "tap": (109, "Tap", "tap the tempo, a beat each time"),
    "take_over": (110, "Take over", "your phrase is over: it comes in now"),
    "yield_now": (111, "Yield", "its turn is over: it stops, as it does when you play"),
    "forget_last": (112, "Forget last", "forget what it learned from your last phrase"),
    "forget_all": (118, "Forget all", "forget all that it learned from you"),
    "panic": (119, "Panic", "end every note at once, on every channel of ours"),
}
# Numbers whose every step multiplies.
_RATIOS = ("temperature", "density", "bpm")

TYPES: dict[str, Any] = {each.name: each.type for each in fields(Controls)}
ACTIONS = tuple(_ACTIONS)
# The first of each pair may not be more than the second.
ORDERED = (("lowest", "highest"),)


@lru_cache(maxsize=8)
def table(styles: tuple[str, ...] = ()) -> dict[str, Entry]:
    """Return every control and action by name, in the order of `Controls`. `styles` are those of the model."""
    rows = {name: _entry(name, wanted, styles) for name, wanted in TYPES.items()}
    return rows | {name: Entry(name, *row, kind="action") for name, row in _ACTIONS.items()}


def _entry(name: str, wanted: Any, styles: tuple[str, ...]) -> Entry:  # noqa: ANN401 - a type
    row = _CONTROLS[name]
    parts = get_args(wanted) if NoneType in get_args(wanted) else (wanted,)
    base, optional = parts[0], len(parts) > 1
    if base is bool:
        return Entry(name, *row, kind="switch", choices=(False, True))
    if base is str:
        return Entry(name, *row, kind="choice", choices=(None, *styles))
    if get_origin(base) is not Annotated:
        return Entry(name, *row, kind="choice", choices=tuple(map(str, choices(base))))
    number, bounds = get_args(base)[:2]
    low, high = bounds.low, bounds.high
    if number is int:
        every = tuple(range(low, high + 1))
        return Entry(name, *row, kind="whole", low=low, high=high, choices=every, optional=optional)
    return Entry(name, *row, kind="ratio" if name in _RATIOS else "number", low=low, high=high, optional=optional)


def _rounded(number: float) -> float:
    return float(f"{number:.{_DIGITS}g}")
