"""The file in which learned controllers are kept from one session to the next.

JSON, not YAML: the brain reads and writes it. Channels are 1-16 in the file, as on screen.
"""

import json
import os
from contextlib import suppress
from pathlib import Path

from improv.control.bindings import Binding, Bindings
from improv.errors import ImprovError


def read_learned(path: Path) -> dict[str, Binding]:
    """Return the bindings in the file; none, where there is no file. Raises ImprovError if it is damaged."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ImprovError(f"{path}: cannot be read: {error.strerror or error}; it is left alone") from error
    except UnicodeDecodeError as error:
        raise ImprovError(_damaged(path)) from error
    try:
        return {name: _binding(**value) for name, value in json.loads(text).items()}
    except (AttributeError, RecursionError, TypeError, ValueError) as error:
        raise ImprovError(_damaged(path)) from error


def write_learned(path: Path, bindings: Bindings) -> None:
    """Write the bindings, whole or not at all; a damaged file is set aside as PATH.damaged. Raises ImprovError."""
    lines = {name: {"control": each.control, "channel": _shown(each.channel)} for name, each in bindings.items()}
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        try:
            read_learned(path)
        except ImprovError:
            if path.is_file():
                path.replace(path.with_name(f"{path.name}.damaged"))
        draft.write_text(json.dumps(lines, indent=2) + "\n", encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        raise ImprovError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)


def _binding(control: object, channel: object = None) -> Binding:
    if type(control) is not int or not 0 <= control <= 119:
        raise ValueError
    if channel is None:
        return Binding(control)
    if type(channel) is not int or not 1 <= channel <= 16:
        raise ValueError
    return Binding(control, channel - 1)


def _shown(channel: int | None) -> int | None:
    return None if channel is None else channel + 1


def _damaged(path: Path) -> str:
    return f"{path}: is damaged; it is left alone, and no learned controller holds. Mend it, or remove it"
