"""What a journal is made of: everything that came in, was decided and went out, one JSON object a line, in order.

Times are seconds of `improv.clock`, with full precision: what is read back is equal to what was written.
Light: no numpy, no mido.
"""

import json
from collections.abc import Callable
from dataclasses import MISSING, asdict, dataclass, fields, is_dataclass, replace
from typing import Any

from improv.errors import SessionError
from improv.ports.link import (
    Accepted,
    Heard,
    Plan,
    PortState,
    Refused,
    Sent,
    Silenced,
    Silencing,
    TimedBytes,
    Yielded,
)
from improv.settings import Settings

VERSION = 1


@dataclass(frozen=True, slots=True)
class Opening:
    """The first record. `started` is the wall clock (ISO 8601), `t0` the same moment on ours; `hash` of the weights."""

    improv: str
    started: str
    t0: float
    seed: int
    model: str
    hash: str
    settings: Settings
    version: int = VERSION


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan that was taken over. `shift`: seconds by which it was moved past the end of the human's phrase.

    `revision` is that of the window it was thought out from, `call` the number of the phrase it answers, `engine` who
    thought.
    """

    turn: int
    basis: int
    shift: float
    revision: int
    call: int
    events: tuple[TimedBytes, ...]
    engine: str = "numpy"

    @property
    def plan(self) -> Plan:
        """The plan as it was sent."""
        return Plan(self.turn, self.basis, self.events)


@dataclass(frozen=True, slots=True)
class Released:
    """The ports process was lost at `at`: held keys count as released, and nothing of ours sounds any more."""

    at: float


@dataclass(frozen=True, slots=True)
class Restarted:
    """A new brain went on at `at`; what the old one had planned was dropped."""

    at: float


@dataclass(frozen=True, slots=True)
class Lost:
    """`records` records are missing here, at the most: the disk would not take them."""

    records: int


@dataclass(frozen=True, slots=True)
class Ended:
    """The last record."""

    at: float
    reason: str


Record = (
    Opening
    | Heard
    | Planned
    | Accepted
    | Refused
    | Yielded
    | Sent
    | Silenced
    | PortState
    | Released
    | Restarted
    | Lost
    | Ended
)

_KINDS: dict[str, type[Record]] = {
    "session": Opening,
    "in": Heard,
    "plan": Planned,
    "accepted": Accepted,
    "refused": Refused,
    "yield": Yielded,
    "out": Sent,
    "silenced": Silenced,
    "ports": PortState,
    "released": Released,
    "brain": Restarted,
    "lost": Lost,
    "end": Ended,
}
_NAMES = {kind: name for name, kind in _KINDS.items()}


def encode_record(record: Record) -> str:
    """Return `record` as one line of ASCII JSON, without its end. `decode_record` is the exact inverse."""
    values = {each.name: getattr(record, each.name) for each in fields(record)}
    return json.dumps({"type": _NAMES[type(record)], **values}, separators=(",", ":"), default=_plain)


def decode_record(line: str | bytes) -> Record:
    """Return the record in one line. Raises SessionError if there is none."""
    try:
        values = json.loads(line)
        kind = _KINDS[values.pop("type")]
        for each in fields(kind):
            if each.name in values or each.default is MISSING:  # what is missing besides is of an earlier version
                values[each.name] = _value(each.name, each.type, values[each.name])
        build: Callable[..., Record] = kind
        return build(**values)
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
        raise SessionError(f"no record of a journal: {line[:60]!r}") from error


def _plain(value: object) -> object:
    """Return what JSON can hold of `value`."""
    if isinstance(value, bytes):
        return value.hex()
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    raise TypeError(type(value).__name__)


def _events(value: list[Any]) -> tuple[TimedBytes, ...]:
    return tuple((float(due), bytes.fromhex(data)) for due, data in value)


def _port(value: list[Any]) -> tuple[str, bool]:
    name, there = value
    return str(name), bool(there)


def _settings(value: dict[str, dict[str, Any]]) -> Settings:
    """Return settings as they were written; what another version had besides is left out, what it lacked is default."""
    if "controls" not in value:  # until version 0.3 these were in two sections
        style = {"style": value["model"]["style"]} if "style" in value.get("model", {}) else {}
        value = {**value, "controls": value.get("sampling", {}) | style}
    sections: dict[str, Any] = {}
    for section in fields(Settings):
        default = getattr(Settings(), section.name)
        written = {name: tuple(v) if isinstance(v, list) else v for name, v in value.get(section.name, {}).items()}
        known = {each.name: written[each.name] for each in fields(default) if each.name in written}
        sections[section.name] = replace(default, **known)
    return Settings(**sections)


_COMPOUND: dict[str, Callable[[Any], object]] = {
    "data": bytes.fromhex,
    "events": _events,
    "inputs": lambda value: tuple(map(_port, value)),
    "output": _port,
    "connected": lambda value: tuple(map(str, value)),
    "settings": _settings,
    "how": Silencing,
}


def _value(name: str, kind: object, value: object) -> object:
    """Return the value of field `name`. Raises TypeError or ValueError when it is none."""
    if name in _COMPOUND:
        return _COMPOUND[name](value)
    if type(value) is not kind and (kind, type(value)) != (float, int):
        raise TypeError(name)
    return value
