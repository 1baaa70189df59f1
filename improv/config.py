"""Read `config.yaml`, check it together with the command line's options, and report every problem at once.

The types and bounds are those of `settings.py`. Used by the command line only; yaml is imported nowhere else.
"""

import difflib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import yaml

from improv.errors import UsageError
from improv.settings import Settings

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
    "--seed": "model.seed",
    "--record": "session.folder",
    "--no-record": "session.record",
}

# The first of each pair may not be more than the second.
_ORDERED = (
    ("turns.silence_min_ms", "turns.silence_max_ms"),
    ("turns.min_answer_s", "turns.max_answer_s"),
    ("controls.lowest", "controls.highest"),
)

_Loader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_SECTIONS: dict[str, Any] = {section.name: section.type for section in fields(Settings)}
_TYPES = {section: {key.name: key.type for key in fields(kind)} for section, kind in _SECTIONS.items()}


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
            self.values[section] = {key: _construct(loader, value) for key, value in pairs}
        elif node.tag != "tag:yaml.org,2002:null":  # a heading whose settings are all commented out is fine
            keys = ", ".join(_TYPES[section])
            self.problem((section,), f"must have its settings below it, indented: {keys}")

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
        sections = {}
        for section, values in self.values.items():
            right: dict[str, object] = {}
            for key, value in values.items():
                try:
                    right[key] = _taken(_TYPES[section][key], value)
                except KeyError:
                    self.problem((section, key), _unknown(key, list(_TYPES[section])))
                except ValueError:
                    self.problem((section, key), _explain(_TYPES[section][key], value))
            sections[section] = _SECTIONS[section](**right)
        return Settings(**sections)

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


def _taken(wanted: Any, value: Any) -> object:  # noqa: ANN401 - a type, and whatever a file holds
    """Return `value` as the type `wanted` has it. Raises ValueError if it does not fit."""
    origin, args = get_origin(wanted), get_args(wanted)
    if origin in {Union, UnionType}:
        return None if value is None else _taken(next(part for part in args if part is not NoneType), value)
    if origin is Annotated:
        taken: Any = _taken(args[0], value)
        if not args[1].low <= taken <= args[1].high:  # so that NaN is refused too
            raise ValueError
        return taken
    if origin is tuple and isinstance(value, list | tuple):
        return tuple(_taken(args[0], item) for item in value)
    if wanted is float and type(value) is int:
        return float(value)
    if value in args if origin is Literal else type(value) is wanted:
        return value
    raise ValueError


def _explain(wanted: object, value: object) -> str:
    shown = json.dumps(value, ensure_ascii=False, default=str)
    guess = difflib.get_close_matches(str(value).lower(), [str(choice) for choice in _choices(wanted)], 1)
    return f"{shown} is not {_allowed(wanted)}" + (f"; did you mean {guess[0]}?" if guess else "")


def _unknown(key: str, known: list[str]) -> str:
    if close := difflib.get_close_matches(key.lower(), known, 1):
        return f"unknown key, did you mean {close[0]}?"
    homes = [section for section, types in _TYPES.items() if key in types]
    return f"unknown key, it belongs under {homes[0]}" if homes else f"unknown key, known are {', '.join(known)}"


def _choices(wanted: object) -> tuple[object, ...]:
    if get_origin(wanted) is Literal:
        return get_args(wanted)
    return tuple(choice for part in get_args(wanted) for choice in _choices(part))


def _allowed(wanted: object) -> str:
    """Say in words what a setting's type allows."""
    origin, args = get_origin(wanted), get_args(wanted)
    if origin in {Union, UnionType}:
        return ", or ".join("null" if part is NoneType else _allowed(part) for part in args)
    if origin is Annotated:
        return f"{_allowed(args[0])} from {args[1].low} to {args[1].high}"
    if origin is Literal:
        return "one of " + ", ".join(str(choice) for choice in args)
    if origin is tuple:
        return "a list of names"
    return {bool: "true or false", int: "a whole number", float: "a number", str: "text"}[wanted]  # type: ignore[index]
