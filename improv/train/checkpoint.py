"""How far a training has come, kept in a file that an interrupted one goes on from."""

import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import keras
import numpy as np

from improv.predict.encoding import FloatArray
from improv.train.networks import tensors

_NUMBERS = {"done": int, "loss": float, "since": int, "best_at": int}


@dataclass(slots=True)
class Standing:
    """How far a training has come. `done`: batches, or epochs; `best_at`: after how many the weights were `best`.

    `loss`: that of the best weights; `since`: how many looks have found no better ones.
    """

    done: int = 0
    loss: float = math.inf
    since: int = 0
    best_at: int = 0
    best: dict[str, FloatArray] = field(default_factory=dict)

    def keep_best(self, network: keras.Model, loss: float) -> None:
        """Take the network's weights for the best."""
        self.best = tensors(network)
        self.loss, self.since, self.best_at = loss, 0, self.done

    def store(self, file: Path, key: str, network: keras.Model) -> None:
        """Write all that is needed to go on, in one move. Without room for it, nothing is written."""
        draft = file.with_name(file.name + ".part")
        values: dict[str, Any] = {f"value.{at}": np.asarray(value) for at, value in enumerate(_variables(network))}
        values |= {f"best.{name}": value for name, value in self.best.items()}
        values |= {name: getattr(self, name) for name in _NUMBERS}
        # Without a disk, training goes on; the next checkpoint may find room.
        with suppress(OSError):
            file.parent.mkdir(parents=True, exist_ok=True)
            with draft.open("wb") as out:
                np.savez(out, key=key, **values)
            draft.replace(file)


def resume(file: Path, key: str, network: keras.Model, report: Callable[[str], None]) -> Standing:
    """Put the network and its optimizer where the checkpoint says, and return how far that is.

    The beginning, where there is no checkpoint made with the same `key`; `report` is told why.
    """
    standing = Standing()
    variables = _variables(network)
    try:
        with file.open("rb") as opened, np.load(opened) as stored:
            if str(stored["key"]) != key:
                report(f"{file}: of another plan; starting from the beginning")
                return standing
            values = [stored[f"value.{at}"] for at in range(len(variables))]
            best = {name[5:]: stored[name] for name in stored.files if name.startswith("best.")}
            numbers = {name: kind(stored[name]) for name, kind in _NUMBERS.items()}
        fits = [value.shape for value in values] == [tuple(variable.shape) for variable in variables]
    except FileNotFoundError:
        return standing
    except (OSError, ValueError, KeyError, BadZipFile) as error:
        report(f"{file}: cannot be gone on from ({error}); starting from the beginning")
        return standing
    if not fits:
        report(f"{file}: of another network; starting from the beginning")
        return standing
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
    return Standing(**numbers, best=best)


def _variables(network: keras.Model) -> list[keras.Variable]:
    network.optimizer.build(network.trainable_variables)
    return [*network.trainable_variables, *network.optimizer.variables]
