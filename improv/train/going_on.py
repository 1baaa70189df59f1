"""Go on from a model's weights with other music: what it knows stays known, what is new gets a place."""

from collections.abc import Mapping, Sequence

import numpy as np

from improv.errors import UsageError
from improv.predict.encoding import FloatArray
from improv.predict.weights import Weights, find, load
from improv.train.corpus import Corpus


def base_of(name: str | None, network: str) -> Weights | None:
    """Return the model to go on from, a name or a file; None for None.

    Raises ModelError where there is none, UsageError where it is of another network.
    """
    if name is None:
        return None
    base = load(find(name))
    if base.card.network != network:
        raise UsageError(f"--from {name}: of the network {base.card.network}; --network says {network}")
    return base


def styles_of(base: Weights | None, corpora: Sequence[Corpus]) -> tuple[str, ...]:
    """Return the names of the styles: those of `base` at their places, then those of the new corpora."""
    return tuple(dict.fromkeys([*(base.card.styles if base else ()), *(corpus.name for corpus in corpora)]))


def corpora_of(base: Weights | None, corpora: Sequence[Corpus]) -> tuple[str, ...]:
    """Return the names of all corpora that the weights have seen."""
    return tuple(dict.fromkeys([*(base.card.corpora if base else ()), *(corpus.name for corpus in corpora)]))


def licence_of(base: Weights | None, corpora: Sequence[Corpus]) -> str:
    """Return the licences of all corpora that the weights have seen."""
    known = set(base.card.licence.split(", ")) if base else set()
    return ", ".join(sorted(known | {each for corpus in corpora for each in corpus.licence.split(", ")}))


def with_styles(base: Weights, styles: int) -> Mapping[str, FloatArray]:
    """Return the tensors of `base` with rows for `styles` styles: a new one begins as the style that is not known."""
    table = base.tensors["style.table"]
    new = np.repeat(table[:1], styles + 1 - len(table), axis=0)
    return {**base.tensors, "style.table": np.concatenate([table, new])}
