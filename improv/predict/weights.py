"""Model files: a network's weights with what is known of their training, as `.safetensors`."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from difflib import get_close_matches
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from improv.errors import ModelError
from improv.predict.encoding import PITCHES, FloatArray

SUFFIX = ".safetensors"
Shapes = dict[str, tuple[int, ...]]

_KEY = "improv"
_PACKAGE = Path(__file__).parents[1]
# In an installed wheel, and in a checkout.
_SHELVES = (_PACKAGE / "models", _PACKAGE.parent / "models")


@dataclass(frozen=True, slots=True)
class HeldOut:
    """How well the next pitch of a set's validation split is foreseen: nats a note, lower is better.

    `unigram` is the floor: the pitch frequencies of the same set's training split, blind to what was played.
    """

    corpus: str
    windows: int
    pitch: float
    unigram: float


@dataclass(frozen=True, slots=True)
class Card:
    """What a model file says of itself. `carry`: the state goes on from note to note beyond the window."""

    network: str
    window: int
    units: int
    carry: bool = False
    corpora: tuple[str, ...] = ()
    licence: str = "unknown"
    trained: str = ""
    command: str = ""
    epochs: int = 0
    loss: float = 0.0
    held_out: tuple[HeldOut, ...] = ()


@dataclass(frozen=True, slots=True)
class Weights:
    """A network's weights by name. `hash` is the sha256 of the file they came from."""

    name: str
    card: Card
    tensors: Mapping[str, FloatArray] = field(repr=False)
    hash: str


def tutorial_shapes(units: int) -> Shapes:
    """Return the tensors of the tutorial's network, gates in the order of Keras: in, forget, cell, out."""
    return {
        "lstm.kernel": (3, 4 * units),
        "lstm.recurrent": (units, 4 * units),
        "lstm.bias": (4 * units,),
        "pitch.kernel": (units, PITCHES),
        "pitch.bias": (PITCHES,),
        "step.kernel": (units, 1),
        "step.bias": (1,),
        "duration.kernel": (units, 1),
        "duration.bias": (1,),
    }


NETWORKS = {"tutorial": tutorial_shapes}


def find(name: str) -> Path:
    """Return the file of a shipped model by its name, or `name` itself where that is a file.

    Raises ModelError naming the models there are.
    """
    shipped = {file.stem: file for shelf in _SHELVES for file in sorted(shelf.glob(f"*{SUFFIX}"))}
    if name in shipped:
        return shipped[name]
    path = Path(name).expanduser()
    if path.suffix == SUFFIX or path.is_file():
        return path
    close = get_close_matches(name, shipped, n=1)
    hint = f", did you mean {close[0]}?" if close else ""
    raise ModelError(f"no model named {name!r}{hint} (there are: {', '.join(sorted(shipped)) or 'none'})")


def load(path: Path) -> Weights:
    """Read and check a model file. Raises ModelError with the reason."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        tensors = load_tensors(data)
    except (SafetensorError, KeyError, ValueError) as error:
        raise ModelError(f"{path}: damaged, or no {SUFFIX} file: {error}") from error
    card = _card(path, data)
    _check(path, card, tensors)
    return Weights(path.stem, card, tensors, hashlib.sha256(data).hexdigest())


def save(path: Path, card: Card, tensors: Mapping[str, FloatArray]) -> None:
    """Write a model file in one move: a reader finds the old one or the new one. Raises ModelError."""
    _check(path, card, tensors)
    contiguous = {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}
    data = save_tensors(contiguous, metadata={_KEY: json.dumps(asdict(card), sort_keys=True)})
    draft = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_bytes(data)
        draft.replace(path)
    except OSError as error:
        raise ModelError(f"{path}: cannot be written: {error.strerror}") from error


def _card(path: Path, data: bytes) -> Card:
    # The header has just been read as a whole, so it is sound: its length, then JSON.
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    try:
        fields = json.loads(header["__metadata__"][_KEY])
        held_out = tuple(HeldOut(**figures) for figures in fields.pop("held_out"))
        card = Card(**fields | {"corpora": tuple(fields["corpora"])}, held_out=held_out)
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{path}: no model of improv: its description is missing or incomplete") from error
    return card


def _check(path: Path, card: Card, tensors: Mapping[str, FloatArray]) -> None:
    if str(card.network) not in NETWORKS:
        raise ModelError(f"{path}: unknown network {card.network!r} (known: {', '.join(sorted(NETWORKS))})")
    if not (isinstance(card.window, int) and isinstance(card.units, int) and card.window > 0 and card.units > 0):
        raise ModelError(f"{path}: window and units must be whole numbers above 0")
    shapes = NETWORKS[card.network](card.units)
    missing, extra = sorted(shapes.keys() - tensors.keys()), sorted(tensors.keys() - shapes.keys())
    if missing or extra:
        raise ModelError(f"{path}: not a {card.network} network: lacks {missing}, has {extra} besides")
    for name, shape in shapes.items():
        tensor = tensors[name]
        if tensor.dtype != np.float32:
            raise ModelError(f"{path}: {name} is {tensor.dtype}, must be float32")
        if tensor.shape != shape:
            raise ModelError(f"{path}: {name} has shape {tensor.shape}, must be {shape}")
        if not np.isfinite(tensor).all():
            raise ModelError(f"{path}: {name} holds numbers that are not finite")
