"""What to train, and for how long: one plan for the tutorial's windows, one for sequences."""

import hashlib
import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from zlib import crc32

import numpy as np

from improv.errors import CorpusError, ModelError
from improv.predict.weights import Weights
from improv.train.corpus import CACHE, TRAIN, VALIDATION, Corpus, read
from improv.train.networks import LEARNING_RATE, NETWORKS
from improv.train.progress import Report

# Notes of a sequence: a long call and its answer.
LENGTH = 160
RATE = 4e-3
# What has been learned already is not shaken as hard.
_GOING_ON = 0.25


@dataclass(frozen=True, slots=True)
class Plan:
    """Training on windows. `windows` is the fresh draw of each epoch; the rest as in `SequencePlan`."""

    corpora: tuple[Path, ...]
    network: str
    out: Path
    epochs: int = 50
    windows: int = 200_000
    batch: int = 64
    seed: int = 42
    cache: Path = CACHE
    checkpoint: Path | None = None
    base: Weights | None = None
    rate: float | None = None

    @property
    def units(self) -> int:
        """The network's size."""
        return NETWORKS[self.network].units if self.base is None else self.base.card.units

    @property
    def peak(self) -> float:
        """The learning rate."""
        return _peak(LEARNING_RATE, self.base, self.rate)

    @property
    def command(self) -> str:
        """The command line that repeats this training, with the corpora by name."""
        return _command(self, ("epochs", "windows", "batch", "seed", "rate"))

    def key(self, corpora: Sequence[Corpus]) -> str:
        """Return what a checkpoint must have been made with to be gone on from; the epochs may change."""
        return _key(self, corpora, self.windows)


@dataclass(frozen=True, slots=True)
class SequencePlan:
    """Training on sequences, until `notes` are trained on. The checkpoint lies beside `out` unless told otherwise.

    `base`: the model whose weights to go on from; `rate`: the learning rate at its peak, by default lower with a base.
    """

    corpora: tuple[Path, ...]
    out: Path
    notes: int = 15_000_000
    batch: int = 32
    seed: int = 42
    size: int | None = None
    length: int = LENGTH
    checkpoint: Path | None = None
    cache: Path = CACHE
    network: str = "lstm"
    base: Weights | None = None
    rate: float | None = None

    @property
    def batches(self) -> int:
        """How many batches the budget is."""
        return max(1, self.notes // (self.batch * self.length))

    @property
    def units(self) -> int:
        """The network's size."""
        return (self.size or NETWORKS[self.network].units) if self.base is None else self.base.card.units

    @property
    def peak(self) -> float:
        """The highest learning rate."""
        return _peak(RATE, self.base, self.rate)

    @property
    def command(self) -> str:
        """The command line that repeats this training, with the corpora by name."""
        return _command(self, ("notes", "batch", "seed", "rate"))

    def key(self, corpora: Sequence[Corpus]) -> str:
        """Return what a checkpoint must have been made with to be gone on from; the budget may change."""
        return _key(self, corpora, self.length)


def checkpoint_file(plan: Plan | SequencePlan) -> Path:
    """Return where a training that is not yet finished is kept."""
    return plan.checkpoint or plan.out.with_suffix(".checkpoint.npz")


def music_of(plan: Plan | SequencePlan, report: Report) -> list[Corpus]:
    """Return the corpora of a plan, each reported. Raises CorpusError without music, ModelError if `out` cannot be."""
    # Better to hear now than after the first epoch.
    draft = plan.out.with_name(plan.out.name + ".part")
    try:
        plan.out.parent.mkdir(parents=True, exist_ok=True)
        draft.touch()
        draft.unlink()
    except OSError as error:
        raise ModelError(f"model {plan.out}: cannot be written: {error.strerror}") from error
    if plan.out.is_dir():
        raise ModelError(f"model {plan.out}: cannot be written: is a folder")
    corpora = [read(folder, plan.cache) for folder in plan.corpora]
    for corpus in corpora:
        report(str(corpus))
    if not any(corpus.files(TRAIN) for corpus in corpora):
        raise CorpusError(
            f"nothing to train on: all {sum(len(c.files(VALIDATION)) for c in corpora)} files are held out"
        )
    return corpora


def _peak(usual: float, base: Weights | None, rate: float | None) -> float:
    return rate or (usual if base is None else usual * _GOING_ON)


def _command(plan: Plan | SequencePlan, options: Sequence[str]) -> str:
    parts = ["improv", "train", *(folder.name for folder in plan.corpora), "--network", plan.network]
    parts += ["--out", str(plan.out)]
    parts += [] if plan.base is None else ["--from", plan.base.name]
    defaults = {field.name: field.default for field in fields(plan)}
    for option in options:
        value = getattr(plan, option)
        if value != defaults[option]:
            parts += [f"--{option}", str(value)]
    return shlex.join(parts)


def _key(plan: Plan | SequencePlan, corpora: Sequence[Corpus], cut: int) -> str:
    music = [[corpus.name, len(corpus.bounds), crc32(np.ascontiguousarray(corpus.notes).data)] for corpus in corpora]
    base = plan.base.hash if plan.base else ""
    what = [music, plan.network, plan.units, cut, plan.batch, plan.seed, plan.peak, base]
    return hashlib.sha256(json.dumps(what).encode()).hexdigest()
