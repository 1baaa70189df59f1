"""Train a network on whole sequences: every note of a batch is foreseen from all those before it.

The budget is a number of notes, so that the same seed gives the same weights. A training that was stopped, killed or
given more notes goes on from its checkpoint: each batch is a function of the seed and its number.
"""

import hashlib
import json
import math
import shlex
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any
from zipfile import BadZipFile

import keras
import numpy as np
from numpy.typing import NDArray

from improv.errors import CorpusError, ModelError
from improv.events import PITCHES
from improv.predict.bins import CELLS, DURATION_BIN, PITCH_BIN, STEP_BIN, VELOCITY_BIN, IntArray
from improv.predict.encoding import COLUMNS, PITCH, FloatArray
from improv.predict.grid import NO_VELOCITY
from improv.predict.weights import Card, HeldOut, Weights, save
from improv.train.corpus import CACHE, TRAIN, VALIDATION, Corpus, read
from improv.train.going_on import corpora_of, licence_of, styles_of, with_styles
from improv.train.networks import NETWORKS, fill, tensors
from improv.train.sequences import Music, heard_and_coming, mixed

# Notes of a sequence: a long call and its answer.
LENGTH = 160
# Notes that prime a live state. It costs a fraction of a millisecond each, once a turn.
WINDOW = 25
# As many notes as the tutorial's network sees come before every note that is foreseen in an evaluation.
CONTEXT = 25
RATE = 4e-3
# What has been learned already is not shaken as hard.
RATE_GOING_ON = 1e-3
_LEAST_RATE = 2e-5
_WARM_UP = 100
# So often, a batch has some of the network's own notes mixed in.
_OWN_NOTES = 0.2
# Batches between two lines of progress, two checkpoints, and two looks at the validation split.
_A_LINE = 25
_A_CHECKPOINT = 100
_A_GLANCE = 300
# Pieces of a set looked at in a glance; at the end it is all of them.
_GLANCE = 192
_EVALUATION_BATCH = 64
# Glances without a better one, after which it ends.
PATIENCE = 12

# The heads, and the column of a note in bins that each foresees.
HEADS = {"step": STEP_BIN, "pitch": PITCH_BIN, "velocity": VELOCITY_BIN, "duration": DURATION_BIN}

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class SequencePlan:
    """What to train, and on how many notes. The checkpoint lies beside `out` unless `checkpoint` says otherwise.

    `base`: the model whose weights to go on from; `rate`: the learning rate at its peak, by default lower with a base.
    """

    corpora: tuple[Path, ...]
    out: Path
    notes: int = 15_000_000
    batch: int = 32
    seed: int = 42
    units: int | None = None
    length: int = LENGTH
    checkpoint: Path | None = None
    cache: Path = CACHE
    network: str = "lstm"
    base: Weights | None = None
    rate: float | None = None

    @property
    def size(self) -> int:
        """The network's units: as told, as the base has them, or as the table says."""
        if self.base is not None:
            return self.base.card.units
        return self.units or NETWORKS[self.network].units

    @property
    def peak(self) -> float:
        """The highest learning rate."""
        return self.rate or (RATE if self.base is None else RATE_GOING_ON)

    @property
    def batches(self) -> int:
        """How many batches the budget is."""
        return max(1, self.notes // (self.batch * self.length))

    @property
    def checkpoint_file(self) -> Path:
        """Where a training that is not yet finished is kept."""
        return self.checkpoint or self.out.with_suffix(".checkpoint.npz")

    @property
    def key(self) -> str:
        """What a checkpoint must have been made with to be gone on from; the budget may change."""
        what: list[object] = [[folder.name for folder in self.corpora], self.batch, self.seed, self.size, self.length]
        what += [each for each in (self.base and self.base.hash, self.rate) if each]
        what += [] if self.network == "lstm" else [self.network]
        return hashlib.sha256(json.dumps(what).encode()).hexdigest()

    @property
    def command(self) -> str:
        """The command line that repeats this training, with the corpora by name."""
        parts = ["improv", "train", *(folder.name for folder in self.corpora), "--network", self.network]
        parts += ["--out", str(self.out)]
        if self.base is not None:
            parts += ["--from", self.base.name]
        for option in ("notes", "batch", "seed", "rate"):
            value = getattr(self, option)
            if value != SequencePlan.__dataclass_fields__[option].default:
                parts += [f"--{option}", str(value)]
        return shlex.join(parts)


def fit_sequences(plan: SequencePlan, report: Report) -> Card:
    """Train as planned, `report` a line of progress now and then, return the card of the file at `plan.out`.

    The file holds the best weights (least nats a note on the validation split) from the first look on; Ctrl-C ends the
    training and keeps them. Raises CorpusError without music, ModelError where `out` cannot be written;
    KeyboardInterrupt only before the first look.
    """
    corpora = [read(folder, plan.cache) for folder in plan.corpora]
    for corpus in corpora:
        report(str(corpus))
    music = Music.of(corpora, TRAIN, plan.length + 1, styles_of(plan.base, corpora))
    if not len(music.starts):
        raise CorpusError(f"no file has {plan.length + 1} notes to train on")
    training = _Training(plan, corpora, music, report)
    training.resume()
    try:
        training.run()
    except KeyboardInterrupt:
        if not training.best:
            raise
        report("interrupted: the best weights so far are kept")
    return training.finish()


class _Training:
    """One training, from its first batch or its checkpoint to its last."""

    def __init__(self, plan: SequencePlan, corpora: Sequence[Corpus], music: Music, report: Report) -> None:
        self._plan, self._corpora, self._music, self._report = plan, corpora, music, report
        self._styles = styles_of(plan.base, corpora)
        keras.utils.set_random_seed(plan.seed)
        self._network = NETWORKS[plan.network].build(plan.size, len(self._styles), plan.length)
        if plan.base is not None:
            fill(self._network, with_styles(plan.base, len(self._styles)))
        self._network.optimizer.build(self._network.trainable_variables)
        self._done = 0
        self._loss = math.inf
        self._since = 0
        self._best_at = 0
        self.best: dict[str, FloatArray] = {}

    def run(self) -> None:
        """Train until the budget is spent, or nothing has become better for long."""
        plan, network = self._plan, self._network
        began, first = perf_counter(), self._done
        running = math.nan
        while self._done < plan.batches and self._since < PATIENCE:
            network.optimizer.learning_rate.assign(_rate(self._done, plan.batches, plan.peak))
            rng = np.random.default_rng([plan.seed, self._done])
            heard, coming = self._music.draw(plan.batch, plan.length, rng)
            if rng.random() < _OWN_NOTES:
                heard = mixed(heard, _expected(network.predict_on_batch([heard, coming]), rng), rng)
            loss = float(network.train_on_batch([heard, coming], _targets(coming), return_dict=True)["loss"])
            self._done += 1
            # What Keras returns is the mean since the last reset; each batch is wanted by itself.
            network.reset_metrics()
            if not math.isfinite(loss):
                raise ModelError(f"the loss of batch {self._done} is not finite: training has failed")
            running = loss if math.isnan(running) else 0.98 * running + 0.02 * loss
            if self._done % _A_LINE == 0:
                pace = (self._done - first) / (perf_counter() - began)
                left = (plan.batches - self._done) / pace / 60
                self._report(
                    f"batch {self._done} of {plan.batches}: loss {running:.3f},"
                    f" {pace * plan.batch * plan.length:,.0f} notes/s, {left:.1f} minutes left"
                )
            if self._done % _A_GLANCE == 0 or self._done == plan.batches:
                self._look()
            if self._done % _A_CHECKPOINT == 0:
                self._keep()

    def finish(self) -> Card:
        """Measure the best weights on the whole validation split, and write that down."""
        fill(self._network, self.best)
        figures = [measure_sequences(self._network, corpus, self._style(corpus)) for corpus in self._corpora]
        return self._save([held for held in figures if held is not None])

    def resume(self) -> None:
        """Go on from the checkpoint, if there is one of the same plan."""
        file = self._plan.checkpoint_file
        try:
            with file.open("rb") as opened, np.load(opened) as stored:
                if str(stored["key"]) != self._plan.key:
                    self._report(f"{file}: of another plan; starting from the beginning")
                    return
                values = [stored[f"value.{at}"] for at in range(len(self._variables()))]
                best = {name[5:]: stored[name] for name in stored.files if name.startswith("best.")}
                done, loss, since, best_at = (stored[name] for name in ("done", "loss", "since", "best_at"))
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, BadZipFile) as error:
            self._report(f"{file}: cannot be gone on from ({error}); starting from the beginning")
            return
        for variable, value in zip(self._variables(), values, strict=True):
            variable.assign(value)
        self._done, self._loss, self._since, self._best_at = int(done), float(loss), int(since), int(best_at)
        self.best = best
        self._report(f"going on after batch {self._done}")

    def _keep(self) -> None:
        """Write the checkpoint in one move."""
        file = self._plan.checkpoint_file
        draft = file.with_name(file.name + ".part")
        values: dict[str, Any] = {f"value.{at}": np.asarray(value) for at, value in enumerate(self._variables())}
        values |= {f"best.{name}": value for name, value in self.best.items()}
        # Without a disk, training goes on; the next checkpoint may find room.
        with suppress(OSError):
            file.parent.mkdir(parents=True, exist_ok=True)
            with draft.open("wb") as out:
                np.savez(
                    out,
                    key=self._plan.key,
                    done=self._done,
                    loss=self._loss,
                    since=self._since,
                    best_at=self._best_at,
                    **values,
                )
            draft.replace(file)

    def _variables(self) -> list[keras.Variable]:
        return [*self._network.trainable_variables, *self._network.optimizer.variables]

    def _look(self) -> None:
        """Look at a part of the validation split, and keep the weights if they are the best so far."""
        figures = []
        for corpus in self._corpora:
            held = measure_sequences(self._network, corpus, self._style(corpus), _GLANCE)
            if held is not None:
                figures.append(held)
                self._report(f"  {described(held)}")
        # Without a validation split, the latest is the best.
        loss = sum(_whole(held) for held in figures) / len(figures) if figures else 0.0
        self._since += 1
        if loss < self._loss or not figures:
            self._loss, self._since, self._best_at = loss, 0, self._done
            self.best = tensors(self._network)
            self._save(figures)

    def _style(self, corpus: Corpus) -> int:
        return 1 + self._styles.index(corpus.name)

    def _save(self, figures: list[HeldOut]) -> Card:
        plan = self._plan
        card = Card(
            network=plan.network,
            window=WINDOW,
            units=plan.size,
            carry=True,
            corpora=corpora_of(plan.base, self._corpora),
            licence=licence_of(plan.base, self._corpora),
            trained=datetime.now(UTC).date().isoformat(),
            command=plan.command,
            loss=self._loss,
            held_out=tuple(figures),
            notes=self._best_at * plan.batch * plan.length,
            styles=self._styles,
            base="" if plan.base is None else plan.base.name,
            base_hash="" if plan.base is None else plan.base.hash,
        )
        save(plan.out, card, self.best)
        return card


def measure_sequences(
    network: keras.Model, corpus: Corpus, style: int, limit: int | None = None, *, told: bool = False
) -> HeldOut | None:
    """Return how well `network` foresees the notes of a corpus's validation split; None where it has none.

    Every note from number CONTEXT of each file, knowing at least so many before it; `limit` pieces of music, spread
    over the split, or all. `told`: whether the network knows the style.
    """
    length = network.input_shape[0][1]
    music = Music.of([corpus], VALIDATION, CONTEXT + 1)
    pieces = music.chunks(length, CONTEXT)
    if not pieces:
        return None
    if limit is not None and limit < len(pieces):
        pieces = [pieces[at] for at in np.linspace(0, len(pieces) - 1, limit).astype(int)]
    sums = np.zeros(4)
    counts = np.zeros(4, np.int64)
    floor = 0.0
    unigram = _unigram(corpus)
    for at in range(0, len(pieces), _EVALUATION_BATCH):
        notes, counted = _padded(pieces[at : at + _EVALUATION_BATCH], length)
        heard, coming = heard_and_coming(notes, np.full(len(notes), style if told else 0, np.int32))
        losses, which = nats(network.predict_on_batch([heard, coming]), coming)
        which &= counted[..., None]
        sums += np.where(which, losses, 0).sum(axis=(0, 1))
        counts += which.sum(axis=(0, 1))
        floor -= float(unigram[coming[..., PITCH_BIN][counted]].sum())
    step, pitch, velocity, duration = (float(s / n) if n else None for s, n in zip(sums, counts, strict=True))
    total = int(counts[PITCH_BIN])
    return HeldOut(corpus.name, total, pitch or 0.0, floor / total, step, duration, velocity)


def nats(outputs: dict[str, FloatArray], coming: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return -log p of each part of each note (batch, length, 4), and which of these parts count.

    A time's p is that of its 10 ms cell: its bin's, shared out evenly.
    """
    losses = np.zeros(coming.shape)
    which = np.ones(coming.shape, bool)
    which[..., VELOCITY_BIN] = coming[..., VELOCITY_BIN] != NO_VELOCITY
    for head, column in HEADS.items():
        logits = np.asarray(outputs[head], np.float64)
        true = np.where(which[..., column], coming[..., column], 0)
        peak = logits.max(axis=-1, keepdims=True)
        whole = np.log(np.exp(logits - peak).sum(axis=-1)) + peak[..., 0]
        losses[..., column] = whole - np.take_along_axis(logits, true[..., None], axis=-1)[..., 0]
        if column in {STEP_BIN, DURATION_BIN}:
            losses[..., column] += np.log(CELLS)[true]
    return losses, which


def described(held: HeldOut) -> str:
    """Return the figures in a line for a person."""
    parts = [
        f"{part} {value:.3f}" for part in ("pitch", "step", "duration", "velocity") if (value := getattr(held, part))
    ]
    figures = ", ".join(parts)
    return f"{held.corpus}: held-out nats a note: {figures} (unigram pitch {held.unigram:.3f}), {held.windows} notes"


def _whole(held: HeldOut) -> float:
    return held.pitch + (held.step or 0) + 0.5 * (held.duration or 0) + 0.5 * (held.velocity or 0)


def _rate(done: int, batches: int, peak: float) -> float:
    """Return the learning rate of a batch: up for a little, then down along a half wave until the budget is spent."""
    up = min(1.0, (done + 1) / min(_WARM_UP, max(1, batches // 10)))
    least = min(_LEAST_RATE, peak)
    return up * (least + (peak - least) * 0.5 * (1 + math.cos(math.pi * done / batches)))


def _expected(outputs: dict[str, FloatArray], rng: np.random.Generator) -> IntArray:
    """Return notes in bins (batch, length, 4), drawn from the network's distributions for each place."""
    drawn = np.empty((*outputs["step"].shape[:-1], COLUMNS), np.int32)
    for head, column in HEADS.items():
        logits = np.asarray(outputs[head], np.float32)
        # The largest of the logits with Gumbel noise is a draw from their softmax.
        noise = -np.log(rng.exponential(size=logits.shape))
        drawn[..., column] = (logits + noise).argmax(axis=-1)
    return drawn


def _targets(coming: np.ndarray) -> dict[str, np.ndarray]:
    return {head: coming[..., column] for head, column in HEADS.items()}


def _padded(pieces: list[tuple[FloatArray, int, int]], length: int) -> tuple[FloatArray, np.ndarray]:
    """Return the pieces as one array (count, length + 1, 4), and which of the notes after the first count."""
    notes = np.zeros((len(pieces), length + 1, 4), np.float32)
    counted = np.zeros((len(pieces), length), bool)
    for at, (piece, least, _) in enumerate(pieces):
        notes[at, : len(piece)] = piece
        counted[at, least - 1 : len(piece) - 1] = True
    return notes, counted


def _unigram(corpus: Corpus) -> NDArray[np.float64]:
    counts = np.ones(PITCHES)
    for notes in corpus.files(TRAIN):
        counts += np.bincount(notes[:, PITCH].astype(np.int64), minlength=PITCHES)
    return np.asarray(np.log(counts / counts.sum()), np.float64)
