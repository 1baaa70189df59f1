"""Read `config.yaml`, check it together with the command line's options, and report every problem at once.

The types and bounds are those of `settings.py`. yaml is imported nowhere else: the brain loads this module only when
the file was edited while it plays.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml

from improv.control.bindings import RESERVED
from improv.control.checks import explain, taken, unknown
from improv.control.table import ORDERED, TYPES, table
from improv.errors import UsageError
from improv.settings import Control, Preset, Settings

NAME = "config.yaml"

# What each option of the command line sets.
OPTIONS = {
    "--in": "ports.inputs",
    "--out": "ports.output",
    "--virtual": "ports.virtual",
    "--backend": "ports.backend",
    "--model": "model.name",
    "--engine": "model.engine",
    "--style": "controls.style",
    "--mode": "controls.mode",
    "--key": "controls.key",
    "--tempo": "controls.tempo",
    "--bpm": "controls.bpm",
    "--seed": "model.seed",
    "--player": "player.name",
    "--record": "session.folder",
    "--no-record": "session.record",
}

# The first of each pair may not be more than the second.
_ORDERED = (
    ("turns.silence_min_ms", "turns.silence_max_ms"),
    ("turns.min_answer_s", "turns.max_answer_s"),
    *((f"controls.{low}", f"controls.{high}") for low, high in ORDERED),
)

_Loader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_SECTIONS: dict[str, Any] = {section.name: section.type for section in fields(Settings)}
_TYPES = {name: {key.name: key.type for key in fields(kind)} for name, kind in _SECTIONS.items() if name != "presets"}
_NUMBER = re.compile("0|[1-9][0-9]{0,5}")
_PROGRAM = next(each.type for each in fields(Preset) if each.name == "program")


def load(path: Path | None = None, overrides: Mapping[str, object] | None = None) -> Settings:
    """Return the settings of `path` (or of the file that `find` finds) with `overrides` on top.

    The keys of `overrides` are those of `OPTIONS`. Raises UsageError with one line for each problem.
    """
    return check(find() if path is None else path, overrides or {})


def find() -> Path:
    """Return the configuration in the current folder, else the one that comes with the package."""
    here = Path(NAME)
    if here.is_file():
        return here
    packaged = Path(__file__).with_name(NAME)
    return packaged if packaged.is_file() else Path(__file__).parents[1] / NAME


def check(path: Path, overrides: Mapping[str, object]) -> Settings:
    """Return the settings in the file `path` with `overrides` on top. Raises UsageError as `load` does."""
    document = _Document(str(path))
    try:
        document.read(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        document.problem((), f"cannot be read: {error.strerror or error}")
    except UnicodeDecodeError:
        document.problem((), "is not UTF-8 text")
    for option, value in overrides.items():
        document.override(option, value)
    settings = document.settings()
    document.check_order()
    if document.problems:
        raise UsageError("\n".join(text for _line, text in sorted(document.problems)))
    return settings


@dataclass
class _Document:
    """A file as plain values, with the place that each came from."""

    name: str
    values: dict[str, dict[str, object]] = field(default_factory=dict)
    origins: dict[tuple[str, ...], str | int] = field(default_factory=dict)  # a line, or an option
    problems: list[tuple[int, str]] = field(default_factory=list)

    def problem(self, place: tuple[str, ...], text: str, line: int | None = None) -> None:
        """Note that `place` (section, key, …) is wrong."""
        origin = next((self.origins[place[:n]] for n in range(len(place), 0, -1) if place[:n] in self.origins), None)
        if isinstance(origin, str):
            self.problems.append((0, f"{origin}: {text}"))
            return
        at = line or origin
        words = [f"{self.name}:{at}" if at else self.name]
        words += [".".join(place)] if place else []
        self.problems.append((at or 0, ": ".join([*words, text])))

    def read(self, text: str) -> None:
        """Take over the values of a YAML text."""
        loader = _Loader(text)
        try:
            root = loader.get_single_node()
            if isinstance(root, yaml.MappingNode):
                for section, node in self._pairs(loader, root, ()):
                    self._read_section(loader, section, node)
            elif root is not None and root.tag != "tag:yaml.org,2002:null":
                self.problem((), f"holds no settings; write for example `{next(iter(_SECTIONS))}:`", _line(root))
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            self.problem((), f"is not valid YAML: {error.problem or error.context}", mark.line + 1 if mark else None)
        except yaml.YAMLError as error:  # control characters, which have no mark
            self.problem((), f"is not valid YAML: {' '.join(str(error).split())}")
        finally:
            loader.dispose()

    def _read_section(self, loader: yaml.SafeLoader, section: str, node: yaml.Node) -> None:
        if section not in _SECTIONS:
            self.problem((section,), _unknown(section, list(_SECTIONS)))
        elif isinstance(node, yaml.MappingNode):
            pairs = self._pairs(loader, node, (section,))
            self.values[section] = {key: self._plain(loader, value, (section, key)) for key, value in pairs}
        elif node.tag != "tag:yaml.org,2002:null":  # a heading whose settings are all commented out is fine
            keys = ", ".join(_TYPES.get(section, ("programs (1-128)",)))
            self.problem((section,), f"must have its settings below it, indented: {keys}")

    def _plain(self, loader: yaml.SafeLoader, node: yaml.Node, place: tuple[str, ...]) -> object:
        """Return what a node holds; in presets and in the MIDI map every entry has its line."""
        if isinstance(node, yaml.MappingNode) and (place[0] == "presets" or place == ("midi", "map")):
            return {key: _construct(loader, value) for key, value in self._pairs(loader, node, place)}
        return _construct(loader, node)

    def _pairs(
        self, loader: yaml.SafeLoader, mapping: yaml.MappingNode, parent: tuple[str, ...]
    ) -> Iterator[tuple[str, yaml.Node]]:
        for key_node, node in mapping.value:
            key = str(_construct(loader, key_node))
            place = (*parent, key)
            if place in self.origins:
                self.problem(place, f"is there twice, first on line {self.origins[place]}", _line(key_node))
                continue
            self.origins[place] = _line(key_node)
            yield key, node

    def override(self, option: str, value: object) -> None:
        """Put the value of an option of the command line on top."""
        section, key = OPTIONS[option].split(".")
        self.values.setdefault(section, {})[key] = value
        self.origins[section, key] = option

    def settings(self) -> Settings:
        """Return what is right of the values, with the defaults for the rest, which is noted."""
        sections: dict[str, Any] = {}
        for section, values in self.values.items():
            if section == "presets":
                sections[section] = self._presets(values)
                continue
            right: dict[str, object] = {}
            for key, value in values.items():
                if (section, key) == ("midi", "map"):
                    right[key] = self._map(value)
                else:
                    self._take(right, (section, key), value, _TYPES[section])
            sections[section] = _SECTIONS[section](**right)
        return Settings(**sections)

    def _take(self, right: dict[str, object], place: tuple[str, ...], value: object, types: Mapping[str, Any]) -> None:
        """Put the value at `place` into `right` if it is of its type, else note what is wrong."""
        key = place[-1]
        try:
            right[key] = taken(types[key], value)
        except KeyError:
            self.problem(place, _unknown(key, list(types)))
        except ValueError:
            self.problem(place, explain(types[key], value))

    def _presets(self, programs: Mapping[str, object]) -> tuple[Preset, ...]:
        presets = []
        for key, value in programs.items():
            place = ("presets", key)
            number: dict[str, object] = {}
            self._take(number, place, int(key) if _NUMBER.fullmatch(key) else key, {key: _PROGRAM})
            if not isinstance(value, dict):
                self.problem(place, "must have its controls below it, indented; for example `mode: duet`")
                continue
            right: dict[str, Any] = {}
            for name, each in value.items():
                self._take(right, (*place, name), each, {"name": str | None, **TYPES})
            for low, high in ORDERED:
                if right.get(low, 0) > right.get(high, 127):
                    text = f"{right[low]:g} is more than {'.'.join(place)}.{high}, which is {right[high]:g}"
                    self.problem((*place, low), text)
            title = right.pop("name", None)
            if number:
                presets.append(Preset(int(key), title, tuple(right.items())))
        return tuple(sorted(presets, key=lambda preset: preset.program))

    def _map(self, names: object) -> tuple[tuple[str, int | None], ...]:
        place = ("midi", "map")
        if not isinstance(names, dict):
            if names is not None:
                self.problem(
                    place, "must have controls and their CCs below it, indented; for example `temperature: 74`"
                )
            return ()
        right: dict[str, Any] = {}
        types = dict.fromkeys(table(), Control | None)
        for name, control in names.items():
            self._take(right, (*place, name), control, types)
            if right.get(name) in RESERVED:
                self.problem((*place, name), f"CC {control} has a meaning of its own in MIDI; take another")
            elif (
                right.get(name) is not None
                and (owner := next(each for each in right if right[each] == control)) != name
            ):
                self.problem((*place, name), f"CC {control} is that of {owner} already")
        return tuple(right.items())

    def check_order(self) -> None:
        """Compare the settings that limit each other; wrong types are reported elsewhere."""
        for pair in _ORDERED:
            (low_place, low), (high_place, high) = ((tuple(name.split(".")), self._value(name)) for name in pair)
            if isinstance(low, int | float) and isinstance(high, int | float) and low > high:
                if high_place in self.origins:
                    self.problem(high_place, f"{high:g} is less than {pair[0]}, which is {low:g}")
                else:
                    self.problem(low_place, f"{low:g} is more than {pair[1]}, which is {high:g}")

    def _value(self, name: str) -> object:
        section, key = name.split(".")
        return self.values.get(section, {}).get(key, getattr(_SECTIONS[section](), key))


def _construct(loader: yaml.SafeLoader, node: yaml.Node) -> object:
    try:
        return loader.construct_object(node, deep=True)
    except ValueError as error:  # a date such as 2026-13-01
        raise yaml.constructor.ConstructorError(None, None, str(error), node.start_mark) from error


def _line(node: yaml.Node) -> int:
    return node.start_mark.line + 1


def _unknown(key: str, known: list[str]) -> str:
    homes = [section for section, types in _TYPES.items() if key in types and key not in known]
    text = unknown(key, known)
    return f"unknown key, it belongs under {homes[0]}" if homes and "did you mean" not in text else text
