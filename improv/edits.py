"""`config.yaml` edited while playing: what of it takes effect now, what at the next start, or what is wrong with it.

Light until there is something to read: the brain imports this module.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from improv.control.values import judged
from improv.errors import UsageError
from improv.settings import Settings

# The sections that take effect while playing; of these, the file of what was learned is opened at the start.
_LIVE = ("controls", "presets", "midi", "pedals")
_LATER = ("midi.learned",)

Stamp = tuple[int, int, int]
"""When a file was last written, its size and its number: it has been edited if one of them has changed."""


def stamp(path: Path) -> Stamp | None:
    """Return the stamp of a file; None if it is not there. Take it before the file is read."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


class Watch:
    """Look now and then whether a file has been edited since its `seen` stamp, and has come to rest.

    An editor may empty a file and then fill it, or remove it and put another in its place: what counts is what is the
    same at two looks, and a file that is not there is no edit. `look` asks the file system, and does not block.
    """

    def __init__(self, path: Path, seen: Stamp | None) -> None:
        self.path = path
        self._known = self._last = seen

    def look(self) -> bool:
        """Return whether it is time to read the file again: True once for each edit."""
        before, self._last = self._last, stamp(self.path)
        if self._last in {None, self._known} or self._last != before:
            return False
        self._known = self._last
        return True


@dataclass(frozen=True, slots=True)
class Edit:
    """What an edit has changed. With `problems` (a line each) it changes nothing.

    `settings` are those of the file: the next edit is compared with them. `controls`: names and values of the controls
    that were edited, and only those: what knobs have moved since stays. `live`: other sections that take effect now.
    `later`: settings that take effect at the next start.
    """

    settings: Settings
    controls: tuple[tuple[str, object], ...] = ()
    live: tuple[str, ...] = ()
    later: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


def reread(
    path: Path, overrides: Mapping[str, object], before: Settings, styles: tuple[str, ...] | None = None
) -> Edit:
    """Read an edited file; `before` are the settings it held until then. Options of the command line stay on top.

    `styles` are those of the model that plays. Reads a file, and imports yaml the first time: for a thread of its own.
    Never raises.
    """
    from improv.config import check

    try:
        after = check(path, overrides)
    except UsageError as error:
        return Edit(before, problems=tuple(str(error).splitlines()))
    if problems := _unknown_styles(path, after, styles):
        return Edit(before, problems=problems)
    edited = [place for place in _places(after) if _value(after, place) != _value(before, place)]
    live = [place for place in edited if place.split(".")[0] in _LIVE and place not in _LATER]
    controls = [place.split(".")[1] for place in live if place.startswith("controls.")]
    return Edit(
        after,
        tuple((name, getattr(after.controls, name)) for name in controls),
        tuple(dict.fromkeys(section for place in live if (section := place.split(".")[0]) != "controls")),
        tuple(place for place in edited if place not in live),
    )


def _unknown_styles(path: Path, settings: Settings, styles: tuple[str, ...] | None) -> tuple[str, ...]:
    wanted = [settings.controls.style, *(dict(preset.values).get("style") for preset in settings.presets)]
    problems = []
    for style in wanted:
        try:
            judged("style", style, styles)
        except UsageError as error:
            problems.append(f"{path}: {error}")
    return tuple(problems)


def _places(settings: Settings) -> list[str]:
    """Return the name of every setting; the presets are one."""
    return [
        place
        for section in fields(settings)
        for place in (
            ["presets"]
            if section.name == "presets"
            else [f"{section.name}.{each.name}" for each in fields(getattr(settings, section.name))]
        )
    ]


def _value(settings: Settings, place: str) -> object:
    value: object = settings
    for name in place.split("."):
        value = getattr(value, name)
    return value
