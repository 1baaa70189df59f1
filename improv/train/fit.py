"""Train a network on corpora, and keep the best weights in a model file from the first epoch on."""

import math
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import keras
import numpy as np

from improv.errors import CorpusError, ModelError, UsageError
from improv.events import PITCHES
from improv.predict.encoding import PITCH, FloatArray
from improv.predict.weights import Card, HeldOut, save
from improv.train.corpus import CACHE, TRAIN, VALIDATION, Corpus, read
from improv.train.dataset import Labels, Windows, windows
from improv.train.networks import NETWORKS, WINDOW, fill, tensors

PATIENCE = 5
_UNITS = NETWORKS["tutorial"].units
# Validation windows looked at after each epoch, a set; at the end it is all of them.
_GLANCE = 10_000
_EVALUATION_BATCH = 1024
_BATCHES_A_LINE = 500

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to train, and for how long. `windows` is the fresh draw of each epoch."""

    corpora: tuple[Path, ...]
    network: str
    out: Path
    epochs: int = 50
    windows: int = 200_000
    batch: int = 64
    seed: int = 42
    cache: Path = CACHE

    @property
    def command(self) -> str:
        """The command line that repeats this training, with the corpora by name."""
        parts = ["improv", "train", *(folder.name for folder in self.corpora), "--network", self.network]
        parts += ["--out", str(self.out)]
        for option in ("epochs", "windows", "batch", "seed"):
            value = getattr(self, option)
            if value != Plan.__dataclass_fields__[option].default:
                parts += [f"--{option}", str(value)]
        return shlex.join(parts)


def fit(plan: Plan, report: Report) -> Card:
    """Train as planned, `report` a line of progress now and then, return the card of the file at `plan.out`.

    The file holds the best weights (lowest loss) from the first epoch on; Ctrl-C ends the training and keeps them.
    Raises UsageError for an unknown network, CorpusError without music, ModelError where `out` cannot be written;
    KeyboardInterrupt only before the first epoch has ended.
    """
    if plan.network not in NETWORKS or NETWORKS[plan.network].sequences:
        raise UsageError(f"unknown network {plan.network!r}")
    corpora = [read(folder, plan.cache) for folder in plan.corpora]
    for corpus in corpora:
        report(str(corpus))
    music = windows(corpora, TRAIN, WINDOW)
    if not len(music.starts):
        raise CorpusError(f"no file has {WINDOW + 1} notes to train on")
    keras.utils.set_random_seed(plan.seed)
    network = NETWORKS[plan.network].build(_UNITS, 0, WINDOW)
    keeper = _Keeper(plan, corpora, report)
    stopper = keras.callbacks.EarlyStopping(monitor="loss", patience=PATIENCE, restore_best_weights=True)
    try:
        network.fit(_Epochs(music, plan), epochs=plan.epochs, shuffle=False, verbose=0, callbacks=[keeper, stopper])
    except KeyboardInterrupt:
        if keeper.card is None:
            raise
        report("interrupted: the best epoch so far is kept")
    if keeper.card is None:
        raise ModelError("training did not end a single epoch with a finite loss")
    return keeper.finish(keeper.card)


class _Epochs(keras.utils.PyDataset):  # type: ignore[misc]
    """Batches of windows, drawn anew for each epoch."""

    def __init__(self, music: Windows, plan: Plan) -> None:
        super().__init__()
        self._music, self._plan = music, plan
        self._rng = np.random.default_rng(plan.seed)
        self.on_epoch_end()

    def __len__(self) -> int:
        # The remainder is dropped, as in the tutorial.
        return max(1, self._plan.windows // self._plan.batch)

    def __getitem__(self, index: int) -> tuple[np.ndarray, Labels]:
        batch = self._plan.batch
        return self._music.cut(self._starts[index * batch : (index + 1) * batch])

    def on_epoch_end(self) -> None:
        self._starts = self._music.draw(self._plan.windows, self._rng)


class _Keeper(keras.callbacks.Callback):  # type: ignore[misc]
    """Writes the model file whenever an epoch was the best so far, and tells how it goes."""

    def __init__(self, plan: Plan, corpora: Sequence[Corpus], report: Report) -> None:
        super().__init__()
        self._plan, self._corpora, self._report = plan, corpora, report
        self._best: dict[str, FloatArray] = {}
        self._epoch = 0
        self.card: Card | None = None

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002
        self._epoch = epoch + 1

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        if (batch + 1) % _BATCHES_A_LINE == 0 and logs:
            self._report(f"epoch {self._epoch}, batch {batch + 1}: loss {logs['loss']:.4f}")

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        logs = logs or {}
        parts = ", ".join(f"{name} {value:.4f}" for name, value in sorted(logs.items()))
        self._report(f"epoch {epoch + 1} of {self._plan.epochs}: {parts}")
        # A loss that is not a number is below nothing.
        if logs["loss"] < (math.inf if self.card is None else self.card.loss):
            self._keep(tensors(self.model), epoch + 1, logs["loss"], _GLANCE)

    def finish(self, card: Card) -> Card:
        """Measure the best weights on all validation windows, and write that down."""
        fill(self.model, self._best)
        return self._keep(self._best, card.epochs, card.loss, None)

    def _keep(self, weights: dict[str, FloatArray], epochs: int, loss: float, limit: int | None) -> Card:
        plan = self._plan
        held_out = tuple(
            figures for corpus in self._corpora if (figures := measure(self.model, corpus, limit)) is not None
        )
        for figures in held_out:
            self._report(
                f"  {figures.corpus}: held-out pitch {figures.pitch:.3f} nats a note"
                f" (unigram {figures.unigram:.3f}), {figures.windows} windows"
            )
        card = Card(
            network=plan.network,
            window=WINDOW,
            units=_UNITS,
            corpora=tuple(corpus.name for corpus in self._corpora),
            licence=", ".join(sorted({corpus.licence for corpus in self._corpora})),
            trained=datetime.now(UTC).date().isoformat(),
            command=plan.command,
            epochs=epochs,
            loss=loss,
            held_out=held_out,
        )
        save(plan.out, card, weights)
        # Only now: an interruption before this line leaves file, card and weights as they were, and in step.
        self._best, self.card = weights, card
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
