"""Whether a value fits a setting's type, and in what words it is refused: the same at every door.

The types and bounds are those of `settings.py`.
"""

import difflib
import json
from collections.abc import Sequence
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

_ON, _OFF, _NULL = ("true", "on", "yes"), ("false", "off", "no"), ("null", "none")


def taken(wanted: Any, value: Any) -> object:  # noqa: ANN401 - a type, and whatever a file holds
    """Return `value` as the type `wanted` has it. Raises ValueError if it does not fit."""
    origin, args = get_origin(wanted), get_args(wanted)
    if origin in {Union, UnionType}:
        return None if value is None else taken(_some(args), value)
    if origin is Annotated:
        number: Any = taken(args[0], value)
        if not args[1].low <= number <= args[1].high:  # so that NaN is refused too
            raise ValueError
        return number
    if origin is tuple and isinstance(value, list | tuple):
        return tuple(taken(args[0], item) for item in value)
    if wanted is float and type(value) is int:
        return _float(value)
    if type(value) is str and value in args if origin is Literal else type(value) is wanted:
        return value
    raise ValueError


def meant(wanted: Any, text: str) -> object:  # noqa: ANN401 - a type
    """Return what a person means by `text` where a value of the type `wanted` is asked for; else the text itself."""
    origin, args, folded = get_origin(wanted), get_args(wanted), text.strip().lower()
    if origin in {Union, UnionType}:
        return None if folded in _NULL else meant(_some(args), text)
    if origin is Annotated:
        return meant(args[0], text)
    if origin is Literal:
        return next((choice for choice in args if str(choice).lower() == folded), text)
    if wanted is bool and folded in _ON + _OFF:
        return folded in _ON
    if wanted in {int, float}:
        for kind in (int, float):
            try:
                return kind(text)
            except ValueError:
                continue
    return text


def explain(wanted: object, value: object) -> str:
    """Say why `value` does not fit the type `wanted`."""
    guess = difflib.get_close_matches(str(value).lower(), [str(choice) for choice in choices(wanted)], 1)
    return f"{quoted(value)} is not {allowed(wanted)}" + (f"; did you mean {guess[0]}?" if guess else "")


def unknown(name: str, known: Sequence[str], what: str = "key") -> str:
    """Say that `name` is none of `known`, and which may have been meant."""
    if close := difflib.get_close_matches(name.lower(), known, 1):
        return f"unknown {what}, did you mean {close[0]}?"
    return f"unknown {what}, known are {', '.join(known)}"


def choices(wanted: object) -> tuple[object, ...]:
    """Return what the type `wanted` lets choose from; empty if it does not name its values."""
    if get_origin(wanted) is Literal:
        return get_args(wanted)
    return tuple(choice for part in get_args(wanted) for choice in choices(part))


def allowed(wanted: object) -> str:
    """Say in words what a setting's type allows."""
    origin, args = get_origin(wanted), get_args(wanted)
    if origin in {Union, UnionType}:
        return ", or ".join("null" if part is NoneType else allowed(part) for part in args)
    if origin is Annotated:
        return f"{allowed(args[0])} from {args[1].low} to {args[1].high}"
    if origin is Literal:
        return "one of " + ", ".join(str(choice) for choice in args)
    if origin is tuple:
        return "a list of names"
    return {bool: "true or false", int: "a whole number", float: "a number", str: "text"}[wanted]  # type: ignore[index]


def _some(args: tuple[Any, ...]) -> Any:  # noqa: ANN401 - a type
    return next(part for part in args if part is not NoneType)


def _float(value: int) -> float:
    try:
        return float(value)
    except OverflowError as error:
        raise ValueError from error


def quoted(value: object) -> str:
    """Return any value on one line, as JSON has it."""
    try:
        return json.dumps(value, ensure_ascii=False, default=str)
    except (TypeError, ValueError, RecursionError):  # a mapping whose keys are dates, a number too long to print
        return f"this {type(value).__name__}"
