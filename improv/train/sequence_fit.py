"""Train a network on whole sequences: every note of a batch is foreseen from all those before it.

The budget is a number of notes, so that the same seed gives the same weights. A training that was stopped, killed or
given more notes goes on from its checkpoint: each batch is a function of the seed and its number.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import keras
import numpy as np
from numpy.typing import NDArray

from improv.errors import CorpusError, ModelError
from improv.events import PITCHES
from improv.predict.bins import CELLS, DURATION_BIN, PITCH_BIN, STEP_BIN, VELOCITY_BIN, IntArray
from improv.predict.encoding import COLUMNS, PITCH, FloatArray
from improv.predict.grid import NO_VELOCITY
from improv.predict.weights import Card, HeldOut, save
from improv.train.checkpoint import resume
from improv.train.corpus import TRAIN, VALIDATION, Corpus
from improv.train.going_on import corpora_of, licence_of, styles_of, with_styles
from improv.train.history import HELD_OUT, History, draw
from improv.train.networks import NETWORKS, fill
from improv.train.plans import LENGTH, SequencePlan, checkpoint_file, music_of
from improv.train.progress import Bar, Progress, Report
from improv.train.sequences import Music, heard_and_coming, mixed

# Others find the length of a sequence here too.
__all__ = ["LENGTH", "fit_sequences", "measure_sequences", "nats", "sequences_of", "train_batch"]

# Notes that prime a live state. It costs a fraction of a millisecond each, once a turn.
WINDOW = 25
# As many notes as the tutorial's network sees come before every note that is foreseen in an evaluation.
CONTEXT = 25
_LEAST_RATE = 2e-5
_WARM_UP = 100
# So often, a batch has some of the network's own notes mixed in.
_OWN_NOTES = 0.2
# Batches between two lines of progress, two checkpoints, and two looks at the validation split; a short training takes
# so many looks all the same, for on little music it may soon be past its best.
_A_LINE = 25
_A_CHECKPOINT = 100
_A_GLANCE = 300
_LOOKS = 10
# Pieces of a set looked at in a glance; at the end it is all of them.
_GLANCE = 192
_EVALUATION_BATCH = 64
# Glances without a better one, after which it ends.
PATIENCE = 12
# Fewer notes are no music to train on.
_LEAST_NOTES = 30

# The heads, and the column of a note in bins that each foresees.
HEADS = {"step": STEP_BIN, "pitch": PITCH_BIN, "velocity": VELOCITY_BIN, "duration": DURATION_BIN}


def fit_sequences(plan: SequencePlan, report: Report, bar: Bar | None = None) -> Card:
    """Train as planned, telling `report` and `bar` how it goes, and return the card of the file at `plan.out`.

    The file holds the best weights (least nats a note on the validation split) from the first look on; Ctrl-C ends the
    training and keeps them. Raises CorpusError without music, ModelError where `out` cannot be written;
    KeyboardInterrupt only before the first look.
    """
    corpora = music_of(plan, report)
    music = sequences_of(plan, corpora)
    longest = int((music.ends - music.starts).max())
    if longest <= plan.length:
        plan = replace(plan, length=max(longest, _LEAST_NOTES) - 1)
        report(f"little music: sequences of at most {plan.length} notes")
    training = _Training(plan, corpora, music, report)
    training.resume()
    try:
        training.run(bar)
    except KeyboardInterrupt:
        if not training.standing.best:
            raise
        report("interrupted: the best weights so far are kept")
    report("measuring them on all that is held out")
    return training.finish()


def sequences_of(plan: SequencePlan, corpora: Sequence[Corpus]) -> Music:
    """Return the files to cut sequences from: those long enough, or all where most music is in shorter ones.

    Raises CorpusError where there is next to none.
    """
    styles = styles_of(plan.base, corpora)
    notes = sum(len(notes) for corpus in corpora for notes in corpus.files(TRAIN))
    if notes < _LEAST_NOTES:
        raise CorpusError(f"only {notes} notes to train on; {_LEAST_NOTES} are the least")
    music = Music.of(corpora, TRAIN, plan.length + 1, styles)
    return music if len(music.notes) >= notes / 2 else Music.of(corpora, TRAIN, 2, styles)


def train_batch(network: keras.Model, music: Music, plan: SequencePlan, number: int) -> float:
    """Train on batch `number`, a function of the plan's seed and that number, and return its loss."""
    network.optimizer.learning_rate.assign(_rate(number, plan.batches, plan.peak))
    rng = np.random.default_rng([plan.seed, number])
    heard, coming, counted = music.draw(plan.batch, plan.length, rng)
    if rng.random() < _OWN_NOTES:
        heard = mixed(heard, _expected(network.predict_on_batch([heard, coming]), rng), rng)
    targets = {head: coming[..., column] for head, column in HEADS.items()}
    weights = None if music.shortest > plan.length else dict.fromkeys(HEADS, counted / counted.mean())
    loss = network.train_on_batch([heard, coming], targets, sample_weight=weights, return_dict=True)["loss"]
    # What Keras returns is the mean since the last reset; each batch is wanted by itself.
    network.reset_metrics()
    return float(loss)


class _Training:
    """One training, from its first batch or its checkpoint to its last."""

    def __init__(self, plan: SequencePlan, corpora: Sequence[Corpus], music: Music, report: Report) -> None:
        self._plan, self._corpora, self._music, self._report = plan, corpora, music, report
        self._styles = styles_of(plan.base, corpora)
        keras.utils.set_random_seed(plan.seed)
        self._network = NETWORKS[plan.network].build(plan.units, len(self._styles), plan.length)
        if plan.base is not None:
            fill(self._network, with_styles(plan.base, len(self._styles)))

    def resume(self) -> None:
        """Go on from the checkpoint, if there is one of the same plan."""
        plan = self._plan
        self._key, self._file = plan.key(self._corpora), checkpoint_file(plan)
        self.standing = resume(self._file, self._key, self._network, self._report)
        if self.standing.done:
            self._report(f"going on after batch {self.standing.done}")
        self._history = History(plan.out, self._notes(self.standing.done))

    def run(self, bar: Bar | None) -> None:
        """Train until the budget is spent, or nothing has become better for long."""
        plan, standing = self._plan, self.standing
        progress = Progress(
            self._report, bar, standing.done, plan.batches, notes=plan.batch * plan.length, every=_A_LINE
        )
        running = math.nan
        glance = min(_A_GLANCE, max(_A_LINE, plan.batches // _LOOKS))
        while standing.done < plan.batches and standing.since < PATIENCE:
            loss = train_batch(self._network, self._music, plan, standing.done)
            standing.done += 1
            if not math.isfinite(loss):
                raise ModelError(f"the loss of batch {standing.done} is not finite: training has failed")
            running = loss if math.isnan(running) else 0.98 * running + 0.02 * loss
            progress.at(standing.done, f"batch {standing.done} of {plan.batches}", running)
            if standing.done % _A_LINE == 0 or standing.done == plan.batches:
                self._record({"loss": running})
            if standing.done % glance == 0 or standing.done == plan.batches:
                self._look()
            if standing.done % _A_CHECKPOINT == 0:
                standing.store(self._file, self._key, self._network)
        # Stopped before its first look, and gone on with for fewer notes than that.
        if not standing.best:
            self._look()

    def finish(self) -> Card:
        """Measure the best weights on the whole validation split, and write that down."""
        if not self.standing.best:
            raise ModelError("the nats of what is held out are not finite: training has failed")
        fill(self._network, self.standing.best)
        figures = [measure_sequences(self._network, corpus, self._style(corpus)) for corpus in self._corpora]
        card = self._save([held for held in figures if held is not None])
        for held in card.held_out:
            self._report(f"  {described(held)}")
        picture = draw(self._plan.out)
        self._report(f"{self._plan.out}, {picture}" if picture else f"{self._plan.out}")
        return card

    def _look(self) -> None:
        """Look at a part of the validation split, and keep the weights if they are the best so far."""
        figures = []
        for corpus in self._corpora:
            held = measure_sequences(self._network, corpus, self._style(corpus), _GLANCE)
            if held is not None:
                figures.append(held)
                self._report(f"  {described(held)}")
                parts = {f"{HELD_OUT}{held.corpus} {part}": value for part, value in _parts(held).items()}
                self._record(parts)
        # Without a validation split, the latest is the best.
        loss = sum(_whole(held) for held in figures) / len(figures) if figures else 0.0
        self.standing.since += 1
        if loss < self.standing.loss or not figures:
            self.standing.keep_best(self._network, loss)
            self._save(figures)

    def _record(self, values: Mapping[str, float]) -> None:
        notes = self._notes(self.standing.done)
        self._history.add(notes, notes / len(self._music.notes), values)

    def _notes(self, batches: int) -> int:
        return batches * self._plan.batch * self._plan.length

    def _style(self, corpus: Corpus) -> int:
        return 1 + self._styles.index(corpus.name)

    def _save(self, figures: list[HeldOut]) -> Card:
        plan, standing = self._plan, self.standing
        card = Card(
            network=plan.network,
            window=WINDOW,
            units=plan.units,
            carry=True,
            corpora=corpora_of(plan.base, self._corpora),
            licence=licence_of(plan.base, self._corpora),
            trained=datetime.now(UTC).date().isoformat(),
            command=plan.command,
            loss=standing.loss,
            held_out=tuple(figures),
            notes=self._notes(standing.best_at),
            styles=self._styles,
            base="" if plan.base is None else plan.base.name,
            base_hash="" if plan.base is None else plan.base.hash,
        )
        save(plan.out, card, standing.best)
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
    figures = ", ".join(f"{part} {value:.3f}" for part, value in _parts(held).items())
    return f"{held.corpus}: held-out nats a note: {figures} (unigram pitch {held.unigram:.3f}), {held.windows} notes"


def _parts(held: HeldOut) -> dict[str, float]:
    return {part: value for part in ("pitch", "step", "duration", "velocity") if (value := getattr(held, part))}


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
