"""How `Controls` change: the one place where a new value is judged, whatever door it came in by."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from improv.control.checks import explain, meant, quoted, taken, unknown
from improv.control.table import ACTIONS, ORDERED, TYPES, Entry, table
from improv.errors import UsageError
from improv.settings import Controls, Preset


def entry(name: str, styles: tuple[str, ...] = ()) -> Entry:
    """Return the row of a control or action. Raises UsageError if there is none of that name."""
    rows = table(styles)
    if name not in rows:
        raise UsageError(f"{name if name.isprintable() else quoted(name)}: {unknown(name, list(rows), 'control')}")
    return rows[name]


def judged(name: str, value: object, styles: tuple[str, ...] | None = None) -> Any:  # noqa: ANN401 - of any field
    """Return `value` as the control `name` has it; text may stand for any type: "1.2", "true", "a minor", "null".

    `styles` are those of the model that plays; None: not known. Raises UsageError.
    """
    if entry(name).kind == "action":
        raise UsageError(f"{name} is done, not set: it takes no value")
    wanted = TYPES[name]
    given = meant(wanted, value) if isinstance(value, str) else value
    try:
        right = taken(wanted, given)
    except ValueError:
        raise UsageError(f"controls.{name}: {explain(wanted, given)}") from None
    if name == "style" and styles is not None and right not in (None, *styles):
        raise UsageError(f"controls.style: {_no_style(str(right), styles)}")
    return right


def changed(controls: Controls, name: str, value: object, styles: tuple[str, ...] | None = None) -> Controls:
    """Return `controls` with one value changed. Raises UsageError, in the words in which the file would be refused."""
    right = judged(name, value, styles)
    for low, high in ORDERED:
        if name == low and right > (limit := getattr(controls, high)):
            raise UsageError(f"controls.{name}: {right:g} is more than controls.{high}, which is {limit:g}")
        if name == high and right < (limit := getattr(controls, low)):
            raise UsageError(f"controls.{name}: {right:g} is less than controls.{low}, which is {limit:g}")
    return replace(controls, **{name: right})


def applied(controls: Controls, values: Iterable[tuple[str, object]]) -> Controls:
    """Return `controls` with several values, judged before, changed at once; what they leave out gives way to them."""
    given: dict[str, Any] = dict(values)
    after = replace(controls, **given)
    for low, high in ORDERED:
        lowest, highest = getattr(after, low), getattr(after, high)
        if lowest > highest:
            after = replace(after, **({high: lowest} if high not in given else {low: highest}))
    return after


def within(controls: Controls, name: str, value: Any) -> Any:  # noqa: ANN401 - of any field
    """Return `value` (one of its type) as near as the other controls let it come."""
    for low, high in ORDERED:
        if name == low:
            return min(value, getattr(controls, high))
        if name == high:
            return max(value, getattr(controls, low))
    return value


def preset_of(presets: Iterable[Preset], program: int) -> Preset | None:
    """Return the preset of a program (1-128), if there is one."""
    return next((preset for preset in presets if preset.program == program), None)


def wish(name: str, value: object = None, styles: tuple[str, ...] | None = None) -> object:
    """Return what is sent to a running jam for `name` and `value`: None for an action. Raises UsageError."""
    if name in ACTIONS:
        if value is not None:
            raise UsageError(f"{name} is done, not set: it takes no value")
        return None
    if value is None:
        entry(name)
        raise UsageError(f"{name}: which value? For example: improv set {name} {getattr(Controls(), name)}")
    return judged(name, value, styles)


def _no_style(style: str, styles: tuple[str, ...]) -> str:
    if not styles:
        return f"{quoted(style)}: the model has no styles to choose from"
    return f"{quoted(style)} is not one of {', '.join(styles)}, or null"
