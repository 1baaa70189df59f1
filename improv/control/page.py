"""The table of controls as a person reads it: in `docs/controls.md`, and on the screen."""

from improv.control.table import ACTIONS, Entry, table
from improv.settings import Controls


def markdown() -> str:
    """Return the two tables of `docs/controls.md`: what is set, and what is done, by controller."""
    rows, defaults = sorted(table().values(), key=lambda row: row.cc), Controls()
    lines = ["| CC | control | `name` | values | at first | what it does |", "|---|---|---|---|---|---|"]
    for row in rows:
        if row.name not in ACTIONS:
            first = shown(getattr(defaults, row.name))
            lines.append(f"| {row.cc} | {row.label} | `{row.name}` | {values(row)} | {first} | {row.help} |")
    lines += ["", "| CC | action | `name` | what it does |", "|---|---|---|---|"]
    lines += [f"| {row.cc} | {row.label} | `{row.name}` | {row.help} |" for row in rows if row.name in ACTIONS]
    return "\n".join(lines) + "\n"


def positions() -> str:
    """Return the table of `docs/controls.md` that says where on a controller (0-127) the choices are."""
    lines = ["| control | positions |", "|---|---|"]
    for row in table().values():
        if row.kind == "choice" and len(row.choices) > 1:
            places = [(value, [at for at in range(128) if row.from_cc(at) == value]) for value in row.choices]
            words = ", ".join(f"{shown(value)} {at[0]}-{at[-1]}" for value, at in places)
            lines.append(f"| {row.label} | {words} |")
    return "\n".join(lines) + "\n"


def values(row: Entry) -> str:
    """Say which values a control can have."""
    if row.kind == "action":
        return "an action"
    if row.name == "style":
        text = ", ".join(map(str, row.choices[1:])) or "those of the model"
        return f"{text}; or null"
    if row.kind == "choice":
        words = list(map(str, row.choices))
        text = ", ".join(words) if len(words) < 9 else f"{', '.join(words[:3])} … {words[-1]}"
    elif row.kind == "switch":
        text = "off, on"
    else:
        text = f"{row.low:g} to {row.high:g}"
    return f"{text}; or null" if row.optional else text


def shown(value: object) -> str:
    """Say a value as the configuration has it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else str(value)
