"""Model files: a network's weights with what is known of their training, as `.safetensors`.

Light until weights are loaded: the command line imports this module to refuse a file that does not fit.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from improv.errors import ModelError
from improv.events import PITCHES
from improv.predict.grid import TIMES, VELOCITIES

if TYPE_CHECKING:
    from improv.predict.encoding import FloatArray

SUFFIX = ".safetensors"
Shapes = dict[str, tuple[int, ...]]
Layout = dict[str, tuple[str, tuple[int, ...]]]
"""Type (as `.safetensors` has it) and shape of each tensor."""

_KEY = "improv"
_PACKAGE = Path(__file__).parents[1]
# In an installed wheel, and in a checkout.
_SHELVES = (_PACKAGE / "models", _PACKAGE.parent / "models")


@dataclass(frozen=True, slots=True)
class HeldOut:
    """How well the next note of a set's validation split is foreseen: nats a note, lower is better.

    `windows` is how many notes were foreseen. `unigram` is the floor of `pitch`: the pitch frequencies of the same
    set's training split, blind to what was played. Times as the probability of the 10 ms cell that the true one is in,
    velocities as that of their bin; None where the network gives no distribution, or the set no dynamics.
    """

    corpus: str
    windows: int
    pitch: float
    unigram: float
    step: float | None = None
    duration: float | None = None
    velocity: float | None = None


@dataclass(frozen=True, slots=True)
class Card:
    """What a model file says of itself. `carry`: the state goes on from note to note beyond the window.

    `epochs` or `notes`: how long it was trained. `styles`: what a player may choose from, where there is a choice.
    `base`, `base_hash`: the model whose weights this training went on from, if any; `corpora`, `licence` and `styles`
    include that model's.
    """

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
    notes: int = 0
    styles: tuple[str, ...] = ()
    base: str = ""
    base_hash: str = ""


@dataclass(frozen=True, slots=True)
class Weights:
    """A network's weights by name. `hash` is the sha256 of the file they came from."""

    name: str
    card: Card
    tensors: Mapping[str, "FloatArray"] = field(repr=False)
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


# What of the last note the other networks hear, and how finely.
HEARD = {"step": 24, "pitch": 40, "class": 16, "interval": 24, "velocity": 16, "duration": 16}
STYLE = 8
CLASSES = 12
# How much is left of a pitch class one note later: a memory of the chord, and one of the key.
TRACES = (0.8, 0.97)
# Intervals from the note before are told apart up to two octaves either way.
WIDEST = 24
# Pitches are foreseen as such, and as intervals from the last one: from 127 below it to 127 above.
INTERVALS = 2 * PITCHES - 1
# The hidden layers of its heads, and the parts of the note which each is told besides.
HIDDEN = {"pitch": 192, "velocity": 64, "duration": 96}
TOLD = {"pitch": ("step",), "velocity": ("step", "pitch"), "duration": ("step", "pitch", "velocity")}
# Rows of the tables by what they tell of: bins, for velocities with one more for none.
ROWS = {
    "step": TIMES,
    "pitch": PITCHES,
    "class": CLASSES,
    "interval": 2 * WIDEST + 1,
    "velocity": VELOCITIES + 1,
    "duration": TIMES,
}
OUTPUTS = {"step": TIMES, "pitch": PITCHES, "velocity": VELOCITIES, "duration": TIMES}


def trace_gain(fade: float) -> float:
    """Return what brings a trace to the size of the other inputs, however long it remembers."""
    return 4 * (1 - fade)


# Of `conv`: how many notes a layer sees, and how many layers there are.
REACH = 5
LAYERS = 6
# Of `wavenet`: how far back each layer looks besides at the latest.
DILATIONS = (1, 2, 4, 8, 16, 32) * 2


def gated_units(units: int) -> int:
    """Return the width of the gated layers of `wavenet`, of which `units` are heard in the end."""
    return max(1, 3 * units // 8)


def _lstm_body(heard: int, units: int) -> Shapes:
    """Return the tensors of the body of `lstm`, gates in the order of Keras: in, forget, cell, out."""
    return {
        "lstm.kernel": (heard, 4 * units),
        "lstm.recurrent": (units, 4 * units),
        "lstm.bias": (4 * units,),
    }


def _conv_body(heard: int, units: int) -> Shapes:
    """Return the tensors of the body of `conv`: the taps of a kernel from the oldest to the latest."""
    shapes: Shapes = {"front.kernel": (heard, units), "front.bias": (units,)}
    for at in range(1, LAYERS + 1):
        shapes |= {f"conv{at}.kernel": (REACH, units, units), f"conv{at}.bias": (units,)}
    return shapes


def _wavenet_body(heard: int, units: int) -> Shapes:
    """Return the tensors of the body of `wavenet`: of a gated layer first the values, then the gates."""
    inner = gated_units(units)
    shapes: Shapes = {"front.kernel": (heard, inner), "front.bias": (inner,)}
    for at in range(1, len(DILATIONS) + 1):
        shapes |= {f"gated{at}.kernel": (2, inner, 2 * inner), f"gated{at}.bias": (2 * inner,)}
        shapes |= {f"skip{at}.kernel": (inner, units)}
        # What the last one adds would be read by nobody.
        if at < len(DILATIONS):
            shapes |= {f"residual{at}.kernel": (inner, inner), f"residual{at}.bias": (inner,)}
    return shapes


_BODIES = {"lstm": _lstm_body, "conv": _conv_body, "wavenet": _wavenet_body}


def sequence_shapes(network: str, units: int, styles: int) -> Shapes:
    """Return the tensors of a network that reads sequences: what it hears, its body, its heads."""
    heard = sum(HEARD.values()) + STYLE + len(TRACES) * CLASSES
    known = units + len(TRACES) * CLASSES
    shapes: Shapes = {f"heard_{part}.table": (ROWS[part], size) for part, size in HEARD.items()}
    # The first is for a style that is not known, or not chosen.
    shapes["style.table"] = (styles + 1, STYLE)
    shapes |= _BODIES[network](heard, units)
    shapes |= {"step.kernel": (known, TIMES), "step.bias": (TIMES,)}
    for head, size in HIDDEN.items():
        shapes |= {f"{head}_{told}.table": (ROWS[told], size) for told in TOLD[head]}
        shapes |= {f"{head}_hidden.kernel": (known, size), f"{head}_hidden.bias": (size,)}
        shapes |= {f"{head}.kernel": (size, OUTPUTS[head]), f"{head}.bias": (OUTPUTS[head],)}
    shapes |= {"interval.kernel": (HIDDEN["pitch"], INTERVALS), "interval.bias": (INTERVALS,)}
    return shapes


def _sequences(card: Card) -> Shapes:
    return sequence_shapes(card.network, card.units, len(card.styles))


NETWORKS: dict[str, Callable[[Card], Shapes]] = {
    "tutorial": lambda card: tutorial_shapes(card.units),
    **dict.fromkeys(_BODIES, _sequences),
}


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


def inspect(path: Path) -> Card:
    """Check all of a model file but its numbers, without loading them. Raises ModelError with the reason."""
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            length = int.from_bytes(file.read(8), "little")
            header: dict[str, Any] = json.loads(file.read(length) if length < size else b"")
        metadata = header.pop("__metadata__", {})
        layout = {name: (str(each["dtype"]), tuple(map(int, each["shape"]))) for name, each in header.items()}
        whole = 8 + length + max((each["data_offsets"][1] for each in header.values()), default=0)
    except OSError as error:
        raise ModelError(f"model {path}: cannot be read: {error.strerror}") from error
    except (AttributeError, KeyError, LookupError, TypeError, ValueError) as error:
        raise ModelError(f"model {path}: damaged, or no {SUFFIX} file") from error
    if size != whole:
        raise ModelError(f"model {path}: damaged: {size} bytes instead of {whole}")
    card = _card(path, metadata)
    _check(path, card, layout)
    return card


def check_style(name: str, card: Card, style: str | None) -> None:
    """Raise ModelError if the model `name` has no such style; None, for no style in particular, fits every model."""
    if style is None or style in card.styles:
        return
    if not card.styles:
        raise ModelError(f"{name} has no styles to choose from, so none named {style!r}")
    close = get_close_matches(style, card.styles, n=1)
    hint = f", did you mean {close[0]}?" if close else ""
    raise ModelError(f"{name} has no style {style!r}{hint} (it has: {', '.join(card.styles)})")


def load(path: Path) -> Weights:
    """Read and check a model file. Raises ModelError with the reason."""
    import hashlib

    import numpy as np
    from safetensors import SafetensorError
    from safetensors.numpy import load as load_tensors

    card = inspect(path)
    try:
        data = path.read_bytes()
        tensors = load_tensors(data)
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise ModelError(f"model {path}: damaged, or no {SUFFIX} file: {error}") from error
    for name, tensor in tensors.items():
        if not np.isfinite(tensor).all():
            raise ModelError(f"model {path}: {name} holds numbers that are not finite")
    return Weights(path.stem, card, tensors, hashlib.sha256(data).hexdigest())


def save(path: Path, card: Card, tensors: Mapping[str, "FloatArray"]) -> None:
    """Write a model file in one move: a reader finds the old one or the new one. Raises ModelError."""
    import numpy as np
    from safetensors.numpy import save as save_tensors

    types = {"float32": "F32"}
    _check(
        path, card, {name: (types.get(str(each.dtype), str(each.dtype)), each.shape) for name, each in tensors.items()}
    )
    for name, tensor in tensors.items():
        if not np.isfinite(tensor).all():
            raise ModelError(f"model {path}: {name} holds numbers that are not finite")
    contiguous = {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}
    data = save_tensors(contiguous, metadata={_KEY: json.dumps(asdict(card), sort_keys=True)})
    draft = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_bytes(data)
        draft.replace(path)
    except OSError as error:
        raise ModelError(f"model {path}: cannot be written: {error.strerror}") from error


def _card(path: Path, metadata: dict[str, str]) -> Card:
    try:
        fields = json.loads(metadata[_KEY])
        held_out = tuple(HeldOut(**figures) for figures in fields.pop("held_out"))
        lists = {name: tuple(fields.get(name, ())) for name in ("corpora", "styles")}
        return Card(**fields | lists, held_out=held_out)
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"model {path}: not of improv: its description is missing or incomplete") from error


def _check(path: Path, card: Card, layout: Layout) -> None:
    if str(card.network) not in NETWORKS:
        raise ModelError(f"model {path}: unknown network {card.network!r} (known: {', '.join(sorted(NETWORKS))})")
    if not (isinstance(card.window, int) and isinstance(card.units, int) and card.window > 0 and card.units > 0):
        raise ModelError(f"model {path}: window and units must be whole numbers above 0")
    shapes = NETWORKS[card.network](card)
    missing, extra = sorted(shapes.keys() - layout.keys()), sorted(layout.keys() - shapes.keys())
    if missing or extra:
        raise ModelError(f"model {path}: not a {card.network} network: lacks {missing}, has {extra} besides")
    for name, shape in shapes.items():
        kind, found = layout[name]
        if kind != "F32":
            raise ModelError(f"model {path}: {name} is {kind}, must be float32")
        if found != shape:
            raise ModelError(f"model {path}: {name} has shape {found}, must be {shape}")
