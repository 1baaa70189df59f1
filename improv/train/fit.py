"""Train the tutorial's network on windows of notes; keep the best weights in a model file from the first epoch on."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import keras
import numpy as np

from improv.errors import CorpusError, ModelError, UsageError
from improv.events import PITCHES
from improv.predict.encoding import PITCH
from improv.predict.weights import Card, HeldOut, save
from improv.train.checkpoint import Standing, resume
from improv.train.corpus import TRAIN, VALIDATION, Corpus
from improv.train.dataset import Labels, Windows, windows
from improv.train.going_on import corpora_of, licence_of
from improv.train.history import HELD_OUT, History, draw
from improv.train.networks import NETWORKS, WINDOW, fill
from improv.train.plans import Plan, checkpoint_file, music_of
from improv.train.progress import Bar, Progress, Report

PATIENCE = 5
# Validation windows looked at after each epoch, a set; at the end it is all of them.
_GLANCE = 10_000
_EVALUATION_BATCH = 1024
_BATCHES_A_LINE = 500
_BATCHES_A_SIGHT = 20


def fit(plan: Plan, report: Report, bar: Bar | None = None) -> Card:
    """Train as planned, telling `report` and `bar` how it goes, and return the card of the file at `plan.out`.

    The file holds the best weights (lowest loss) from the first epoch on; Ctrl-C ends the training and keeps them, and
    the same plan goes on after the last whole epoch. Raises UsageError for an unknown network, CorpusError without
    music, ModelError where `out` cannot be written; KeyboardInterrupt only before the first epoch has ended.
    """
    if plan.network not in NETWORKS or NETWORKS[plan.network].sequences:
        raise UsageError(f"unknown network {plan.network!r} (known here: tutorial)")
    corpora = music_of(plan, report)
    music = windows(corpora, TRAIN, WINDOW)
    if not len(music.starts):
        raise CorpusError(f"no file has {WINDOW + 1} notes to train on")
    keras.utils.set_random_seed(plan.seed)
    network = NETWORKS[plan.network].build(plan.units, 0, WINDOW)
    if plan.base is not None:
        fill(network, plan.base.tensors)
    network.optimizer.learning_rate.assign(plan.peak)
    key = plan.key(corpora)
    standing = resume(checkpoint_file(plan), key, network, report)
    if standing.done:
        report(f"going on after epoch {standing.done}")
    epochs = Epochs(music, plan.windows, plan.batch, plan.seed, standing.done)
    keeper = _Keeper(plan, key, corpora, standing, (report, bar))
    if standing.since < PATIENCE:
        try:
            network.fit(
                epochs,
                initial_epoch=standing.done,
                epochs=plan.epochs,
                shuffle=False,
                verbose=0,
                callbacks=[keeper],
            )
        except KeyboardInterrupt:
            if not standing.best:
                raise
            report("interrupted: the best epoch so far is kept")
    if not standing.best:
        raise ModelError("training did not end a single epoch with a finite loss")
    return keeper.finish(network)


class Epochs(keras.utils.PyDataset):  # type: ignore[misc]
    """Batches of windows, drawn anew for each epoch; `done` epochs have been before."""

    def __init__(self, music: Windows, count: int, batch: int, seed: int, done: int = 0) -> None:
        super().__init__()
        self._music, self._count, self._batch = music, count, batch
        self._rng = np.random.default_rng(seed)
        # An epoch's windows depend on all draws before it.
        for _ in range(done + 1):
            self.on_epoch_end()

    def __len__(self) -> int:
        # The remainder is dropped, as in the tutorial.
        return max(1, self._count // self._batch)

    def __getitem__(self, index: int) -> tuple[np.ndarray, Labels]:
        return self._music.cut(self._starts[index * self._batch : (index + 1) * self._batch])

    def on_epoch_end(self) -> None:
        """Draw the windows of the next epoch."""
        self._starts = self._music.draw(self._count, self._rng)


class _Keeper(keras.callbacks.Callback):  # type: ignore[misc]
    """Writes the model file whenever an epoch was the best so far, a checkpoint after each, and tells how it goes.

    It stops early: after PATIENCE epochs without a better one.
    """

    def __init__(
        self, plan: Plan, key: str, corpora: Sequence[Corpus], standing: Standing, tell: tuple[Report, Bar | None]
    ) -> None:
        super().__init__()
        self._plan, self._key, self._corpora, self._standing = plan, key, corpora, standing
        self._report, bar = tell
        self._a_epoch = max(1, plan.windows // plan.batch)
        done, total = standing.done * self._a_epoch, plan.epochs * self._a_epoch
        self._progress = Progress(self._report, bar, done, total, notes=plan.batch, every=_BATCHES_A_LINE)
        self._history = History(plan.out, standing.done * self._a_epoch * plan.batch)

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        # Every so often, for looking at the loss makes the next batch wait for this one.
        if logs and (batch + 1) % _BATCHES_A_SIGHT == 0:
            epoch = self._standing.done
            where = f"epoch {epoch + 1} of {self._plan.epochs}, batch {batch + 1}"
            self._progress.at(epoch * self._a_epoch + batch + 1, where, logs["loss"])

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        logs = logs or {}
        parts = ", ".join(f"{name} {value:.4f}" for name, value in sorted(logs.items()))
        self._report(f"epoch {epoch + 1} of {self._plan.epochs}: {parts}")
        standing = self._standing
        standing.done = epoch + 1
        standing.since += 1
        self._record(logs)
        # A loss that is not a number is below nothing.
        if logs["loss"] < standing.loss:
            held_out = self._held_out(self.model, _GLANCE)
            self._record({f"{HELD_OUT}{held.corpus} pitch": held.pitch for held in held_out})
            standing.keep_best(self.model, logs["loss"])
            self._save(held_out)
        standing.store(checkpoint_file(self._plan), self._key, self.model)
        self.model.stop_training = standing.since >= PATIENCE

    def finish(self, network: keras.Model) -> Card:
        """Measure the best weights on all validation windows, and write that down."""
        fill(network, self._standing.best)
        card = self._save(self._held_out(network, None))
        picture = draw(self._plan.out)
        self._report(f"{self._plan.out}, {picture}" if picture else f"{self._plan.out}")
        return card

    def _held_out(self, network: keras.Model, limit: int | None) -> tuple[HeldOut, ...]:
        held_out = tuple(
            figures for corpus in self._corpora if (figures := measure(network, corpus, limit)) is not None
        )
        for figures in held_out:
            self._report(
                f"  {figures.corpus}: held-out pitch {figures.pitch:.3f} nats a note"
                f" (unigram {figures.unigram:.3f}), {figures.windows} windows"
            )
        return held_out

    def _record(self, values: dict[str, Any]) -> None:
        done = self._standing.done
        self._history.add(done * self._a_epoch * self._plan.batch, done, values)

    def _save(self, held_out: tuple[HeldOut, ...]) -> Card:
        plan, standing = self._plan, self._standing
        card = Card(
            network=plan.network,
            window=WINDOW,
            units=plan.units,
            corpora=corpora_of(plan.base, self._corpora),
            licence=licence_of(plan.base, self._corpora),
            trained=datetime.now(UTC).date().isoformat(),
            command=plan.command,
            epochs=standing.best_at,
            loss=standing.loss,
            held_out=held_out,
            base="" if plan.base is None else plan.base.name,
            base_hash="" if plan.base is None else plan.base.hash,
        )
        save(plan.out, card, standing.best)
        return card


def measure(network: keras.Model, corpus: Corpus, limit: int | None = None) -> HeldOut | None:
    """Return how well `network` foresees the pitches of a corpus's validation split; None where it has none.

    At most `limit` windows, spread evenly over the split; all of them when None.
    """
    held_out = windows([corpus], VALIDATION, WINDOW)
    starts = held_out.spread(len(held_out.starts) if limit is None else limit)
    if not len(starts):
        return None
    counts = np.ones(PITCHES)
    for notes in corpus.files(TRAIN):
        counts += np.bincount(notes[:, PITCH].astype(np.int64), minlength=PITCHES)
    unigram = np.log(counts / counts.sum())
    found = floor = 0.0
    for at in range(0, len(starts), _EVALUATION_BATCH):
        notes, labels = held_out.cut(starts[at : at + _EVALUATION_BATCH])
        pitches = labels["pitch"].astype(np.int64)
        logits = np.asarray(network.predict_on_batch(notes)["pitch"], np.float64)
        found -= float((logits[np.arange(len(pitches)), pitches] - np.logaddexp.reduce(logits, axis=1)).sum())
        floor -= float(unigram[pitches].sum())
    return HeldOut(corpus.name, len(starts), found / len(starts), floor / len(starts))
