"""Which controller moves which control: the table's defaults, the configuration's map over them, what was learned last.

A controller has one owner: whoever is bound to it later takes it from whoever had it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from improv.control.table import table
from improv.events import SOFT, SOSTENUTO, SUSTAIN
from improv.settings import Midi

# Bank select, data entry and (N)RPN address something else; from 120 on they are mode messages (MIDI 1.0).
RESERVED = frozenset({0, 6, 32, 38, *range(96, 102), *range(120, 128)})
PEDALS = {SUSTAIN: "sustain", SOSTENUTO: "sostenuto", SOFT: "soft"}


@dataclass(frozen=True, slots=True)
class Binding:
    """A controller (0-119) on one channel (0-15), or (None) on every channel that is listened to."""

    control: int
    channel: int | None = None

    def meets(self, other: "Binding") -> bool:
        """Whether one message can come from both."""
        return self.control == other.control and (
            None in {self.channel, other.channel} or self.channel == other.channel
        )


Bindings = Mapping[str, Binding]


def configured(midi: Midi) -> dict[str, Binding]:
    """Return the bindings of the table with those of the configuration on top."""
    channel = None if midi.channel is None else midi.channel - 1
    bound = {name: Binding(entry.cc, channel) for name, entry in table().items()}
    for name, control in midi.map:
        if control is None:
            bound.pop(name, None)
        else:
            bound = rebound(bound, name, Binding(control, channel))
    return bound


def together(base: Bindings, learned: Bindings) -> dict[str, Binding]:
    """Return the bindings that hold: what was learned over `base`."""
    bound = dict(base)
    for name, binding in learned.items():
        bound = rebound(bound, name, binding)
    return bound


def rebound(bound: Bindings, name: str, binding: Binding) -> dict[str, Binding]:
    """Return `bound` with `name` moved by this controller, and nobody else by it."""
    kept = {other: theirs for other, theirs in bound.items() if other != name and not theirs.meets(binding)}
    return {**kept, name: binding}
