"""What is kept of a player between sessions: a small file `NAME.memory` for each, as `.safetensors`, no pickle.

It holds the notes and names the model that they were learned with. The notes are the player's, whatever model plays;
how far the memory is to be trusted is the model's, so another one begins to learn that anew.
"""

import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from improv.errors import PlayerError
from improv.predict.engine import ModelInfo
from improv.predict.memory import Kept, Memory

SUFFIX = ".memory"
_KEY = "improv"
_VERSION = 1
# Twenty thousand notes, each a phrase of its own, would be less.
_MOST_BYTES = 8_000_000
_COLUMNS = {"pitches": np.uint8, "steps": np.float32, "starts": np.int32, "trust": np.float64}
# Nothing that is a path, is hidden, or means something else to some system.
_NAME = re.compile(r"\w(?:[\w .'-]{0,62}[\w'-])?")
_DEVICES = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\..*)?", re.IGNORECASE)


def file_of(folder: Path, name: str) -> Path:
    """Return where the player `name` is kept. Raises PlayerError for what is no name."""
    if not _NAME.fullmatch(name) or _DEVICES.fullmatch(name):
        raise PlayerError(
            f"player {name!r}: no name; take letters, digits, spaces and . ' - _ (at most 64, no . or space at the end)"
        )
    return folder / f"{name}{SUFFIX}"


def save(path: Path, memory: Memory, model: ModelInfo) -> None:
    """Write a player's file in one move: a reader finds the old one or the new one. Raises PlayerError."""
    kept = memory.kept()
    tensors = {name: np.ascontiguousarray(getattr(kept, name)) for name in _COLUMNS}
    about = {"version": _VERSION, "model": model.name, "hash": model.hash}
    metadata = {_KEY: json.dumps(about | {"sha256": _digest(about, tensors)}, sort_keys=True)}
    draft = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with draft.open("wb") as file:
            file.write(save_tensors(tensors, metadata=metadata))
            file.flush()
            # A machine that loses its power here keeps one of the two.
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        raise PlayerError(f"{path}: the memory cannot be written: {error.strerror}") from error


def load(path: Path, model: ModelInfo) -> Memory:
    """Return the memory in a player's file, for `model` to use. Raises PlayerError with the reason."""
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise PlayerError(f"{path}: too large for a player's memory")
        data = path.read_bytes()
    except OSError as error:
        raise PlayerError(f"{path}: the memory cannot be read: {error.strerror}") from error
    try:
        about, kept = _checked(data)
    except (SafetensorError, AttributeError, LookupError, TypeError, ValueError, RecursionError) as error:
        raise PlayerError(f"{path}: damaged, or no player's memory ({error})") from error
    return Memory.of(kept if about["hash"] == model.hash else kept.without_trust())


def open_memory(path: Path, model: ModelInfo) -> tuple[Memory, str]:
    """Return a player's memory, and what a person should know of it; nothing to know is an empty text.

    A player who is not known begins with an empty one. A damaged file is put aside, not lost, and the player begins
    anew. Raises PlayerError where the file cannot be read or put aside.
    """
    if not path.exists():
        return Memory(), ""
    try:
        return load(path, model), ""
    except PlayerError as error:
        if isinstance(error.__cause__, OSError):
            raise
        aside = next(
            each for number in range(1, 1000) if not (each := path.with_name(f"{path.name}.damaged{number}")).exists()
        )
        try:
            path.replace(aside)
        except OSError as fault:
            raise PlayerError(f"{error}, and cannot be put aside: {fault.strerror}") from fault
        return Memory(), f"{error}; put aside as {aside.name}, beginning anew"


def _checked(data: bytes) -> tuple[dict[str, Any], Kept]:
    """Return what the file says of itself, and what it holds. Raises ValueError or the like for what we never wrote."""
    tensors = load_tensors(data)
    length = int.from_bytes(data[:8], "little")
    about: dict[str, Any] = dict(json.loads(json.loads(data[8 : 8 + length])["__metadata__"][_KEY]))
    if about.get("version") != _VERSION:
        raise ValueError(f"version {about.get('version')!r}, must be {_VERSION}")
    digest = about.pop("sha256")
    if {name: each.dtype for name, each in tensors.items()} != _COLUMNS or digest != _digest(about, tensors):
        raise ValueError("not as it was written")
    return {"hash": ""} | about, Kept(**tensors)


def _digest(about: dict[str, Any], tensors: dict[str, Any]) -> str:
    """Return the hash of all that the file says."""
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    for name in _COLUMNS:
        digest.update(tensors[name].tobytes())
    return digest.hexdigest()
