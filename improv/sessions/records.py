"""What a journal is made of: everything that came in, was decided and went out, one JSON object a line, in order.

Times are seconds of `improv.clock`, with full precision: what is read back is equal to what was written.
Light: no numpy, no mido.
"""

import json
from collections.abc import Callable
from dataclasses import MISSING, asdict, dataclass, fields, is_dataclass, replace
from typing import Any

from improv.beat import Grid
from improv.errors import SessionError
from improv.play.modes import Cue
from improv.ports.link import (
    Accepted,
    Extend,
    Extended,
    Heard,
    Listening,
    Plan,
    PortState,
    Refused,
    Retimed,
    Sent,
    Silenced,
    Silencing,
    TimedBytes,
    Wished,
    Yielded,
)
from improv.settings import Controls, Preset, Settings

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
    """A plan that was taken over, or (`joins`) more of one. Before the `Accepted` or `Extended` that says so.

    `start`: when it begins (seconds). `number` names the occasion, `engine` says who thought. `revision`, `cue` and
    `grid` are what it was thought out from; it is the best of `count` answers. `beat`: the place in beats on which it
    begins, as known then.
    """

    turn: int
    basis: int
    start: float
    revision: int
    number: int
    events: tuple[TimedBytes, ...]
    engine: str = "numpy"
    yields: bool = True
    joins: bool = False
    cue: Cue | None = None
    grid: Grid | None = None
    beat: float | None = None
    count: int = 1

    @property
    def message(self) -> Plan | Extend:
        """The message as it was sent."""
        if self.joins:
            return Extend(self.turn, self.events)
        return Plan(self.turn, self.basis, self.events, self.yields)


@dataclass(frozen=True, slots=True)
class Steered:
    """Controls that were changed at `at`: pairs of a control's name and its new value."""

    at: float
    changes: tuple[tuple[str, object], ...]

    @classmethod
    def between(cls, at: float, before: Controls, after: Controls) -> "Steered":
        """Return what makes `after` of `before`."""
        values = ((each.name, getattr(after, each.name)) for each in fields(Controls))
        return cls(at, tuple((name, value) for name, value in values if value != getattr(before, name)))

    def applied(self, controls: Controls) -> Controls:
        """Return `controls` with the changes; a control that this version lacks is left out."""
        known = {each.name for each in fields(Controls)}
        changes: dict[str, Any] = {name: value for name, value in self.changes if name in known}
        return replace(controls, **changes)


@dataclass(frozen=True, slots=True)
class Beat:
    """The beat is in `grid` from `at` on, None: there is none."""

    at: float
    grid: Grid | None


@dataclass(frozen=True, slots=True)
class Acted:
    """Something was done once, at `at`: see `relive`. `beat`: where, if that matters."""

    at: float
    action: str
    beat: float | None = None


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
    | Extended
    | Refused
    | Yielded
    | Sent
    | Silenced
    | Retimed
    | Listening
    | Wished
    | PortState
    | Steered
    | Beat
    | Acted
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
    "extended": Extended,
    "refused": Refused,
    "yield": Yielded,
    "out": Sent,
    "silenced": Silenced,
    "retimed": Retimed,
    "listening": Listening,
    "wish": Wished,
    "ports": PortState,
    "steered": Steered,
    "beat": Beat,
    "acted": Acted,
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
        if kind is Planned and "shift" in values:
            values = _earlier(values)
        for each in fields(kind):
            if each.name in values or each.default is MISSING:  # what is missing besides is of an earlier version
                values[each.name] = _value(each.name, each.type, values[each.name])
        build: Callable[..., Record] = kind
        return build(**values)
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
        raise SessionError(f"no record of a journal: {line[:60]!r}") from error


def _earlier(values: dict[str, Any]) -> dict[str, Any]:
    """Return the values of a plan as they are called now: until version 0.3 it was moved past the end of a phrase."""
    shared = {name: value for name, value in values.items() if name not in {"shift", "call"}}
    return shared | {"start": values["events"][0][0], "number": values["call"]}


def _plain(value: object) -> object:
    """Return what JSON can hold of `value`."""
    if isinstance(value, bytes):
        return value.hex()
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    raise TypeError(type(value).__name__)


def _events(value: list[Any]) -> tuple[TimedBytes, ...]:
    return tuple((float(due), bytes.fromhex(data)) for due, data in value)


def _cue(value: dict[str, Any] | None) -> Cue | None:
    return None if value is None else Cue(**{each.name: value[each.name] for each in fields(Cue)})


def _some_grid(value: dict[str, Any] | None) -> Grid | None:
    return None if value is None else _grid(value)


def _grid(value: dict[str, Any]) -> Grid:
    return Grid(float(value["at"]), float(value["beat"]), float(value["period"]), int(value["bar"]))


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
        if section.name == "presets":
            sections[section.name] = tuple(_preset(each) for each in value.get(section.name, ()))
            continue
        written = {name: _tuples(each) for name, each in value.get(section.name, {}).items()}
        known = {each.name: written[each.name] for each in fields(default) if each.name in written}
        sections[section.name] = replace(default, **known)
    return Settings(**sections)


def _preset(value: Any) -> Preset:  # noqa: ANN401 - what JSON can hold
    return Preset(value["program"], value["name"], _tuples(value["values"]))


def _tuples(value: Any) -> Any:  # noqa: ANN401 - what JSON can hold
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


_COMPOUND: dict[str, Callable[[Any], object]] = {
    "data": bytes.fromhex,
    "events": _events,
    "inputs": lambda value: tuple(map(_port, value)),
    "output": _port,
    "connected": lambda value: tuple(map(str, value)),
    "settings": _settings,
    "how": Silencing,
    "before": _grid,
    "after": _grid,
    "cue": _cue,
    "grid": _some_grid,
    "changes": _tuples,
    "beat": lambda value: None if value is None else float(value),
}


def _value(name: str, kind: object, value: object) -> object:
    """Return the value of field `name`. Raises TypeError or ValueError when it is none."""
    if name in _COMPOUND:
        return _COMPOUND[name](value)
    if type(value) is not kind and (kind, type(value)) != (float, int):
        raise TypeError(name)
    return value
