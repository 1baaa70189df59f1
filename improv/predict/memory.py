"""A memory of the player, mixed into what the network foresees: what the player did after similar moments.

The network's probabilities count 1; each similar moment adds its weight to what came after it then. How far that is
trusted is learned from the player, too: five scales of all weights, 0 among them, share the say according to how well
each would have foreseen what was heard so far (a Bayesian mixture with a fixed share, Herbster and Warmuth 1998). So a
memory that does not help is soon not heeded.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from improv.events import PITCHES
from improv.predict.bins import time_bins
from improv.predict.encoding import PITCH, STEP, FloatArray
from improv.predict.moments import NO_INTERVAL, REACH, Context, Moments, Numbers, Past, alike, softened

LIMIT = 20_000
# When there are too many, this share of them goes at once, the oldest.
_GO = 0.05
SCALES = np.array([0.0, 0.1, 0.3, 1.0, 3.0])
# Their say in step and pitch before anything is heard: rather too little trust than too much.
_FIRST = np.tile(np.array([4, 4, 4, 2, 1]) / 15, (2, 1))
_FIRST.flags.writeable = False
# After each note, so much of the say is shared out as at first again: players change.
_SHARE = 0.005


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """All that a memory holds, to be kept between sessions.

    `pitches`, `steps` (seconds) of n notes; `starts`: the first note of each phrase; `trust` (phrases + 1, 2, 5): the
    scales' say in step and pitch before each phrase, and now.
    """

    pitches: NDArray[np.uint8]
    steps: FloatArray
    starts: NDArray[np.int32]
    trust: Numbers

    def __post_init__(self) -> None:
        """Raise ValueError, with the reason, for what no memory could have held."""
        count, phrases = len(self.pitches), len(self.starts)
        if self.pitches.shape != (count,) or self.steps.shape != (count,) or self.starts.shape != (phrases,):
            raise ValueError("columns of different lengths")
        if self.trust.shape != (phrases + 1, *_FIRST.shape):
            raise ValueError(f"a trust of shape {self.trust.shape}")
        if count and not (self.pitches.max() < PITCHES and np.isfinite(self.steps).all() and self.steps.min() >= 0):
            raise ValueError("notes that nobody plays")
        begins = np.diff(self.starts, prepend=-1, append=max(count, 1))
        if bool(count) != bool(phrases) or (count and (self.starts[0] != 0 or begins.min() < 1)):
            raise ValueError("phrases that do not follow each other")
        sums = self.trust.sum(axis=-1)
        if not (np.isfinite(sums).all() and self.trust.min() >= 0 and np.allclose(sums, 1)):
            raise ValueError("a trust that is no share")

    def without_trust(self) -> "Kept":
        """Return this for another network, of which nothing is known yet."""
        return replace(self, trust=np.broadcast_to(_FIRST, self.trust.shape))


class Memory:
    """Remembers what the player played: at most `limit` (>= 2) notes, then the oldest go. One owner, no locks.

    It learns by `heard` alone, which is for the player's notes; nothing that an engine draws comes back here.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._past, self._seconds = Past.empty(limit), np.empty(limit, np.float32)
        self._count = 0
        self._trust: Numbers = _FIRST
        self._starts: list[int] = []
        self._before: list[Numbers] = []
        self._begins = True

    @classmethod
    def of(cls, kept: Kept, limit: int = LIMIT) -> "Memory":
        """Return the memory that held `kept`, but for the oldest notes beyond `limit`. What comes next is a phrase."""
        memory = cls(max(limit, len(kept.pitches)))
        memory._count = len(kept.pitches)
        notes = slice(REACH, REACH + memory._count)
        past = memory._past
        past.pitches[notes] = kept.pitches
        past.intervals[REACH + 1 : notes.stop] = np.diff(past.pitches[notes])
        past.steps[notes] = softened(kept.steps)
        past.bins[notes] = time_bins(kept.steps)
        past.bins[REACH + kept.starts] = -1
        memory._seconds[: memory._count] = kept.steps
        memory._starts, memory._before = kept.starts.tolist(), list(kept.trust[:-1])
        memory._trust = kept.trust[-1]
        memory._limit = limit
        memory._drop(max(0, memory._count - limit))
        return memory

    def __len__(self) -> int:
        return self._count

    @property
    def phrases(self) -> int:
        """How many phrases can be forgotten one by one."""
        return len(self._starts)

    def kept(self) -> Kept:
        """Return all that is remembered."""
        notes = slice(REACH, REACH + self._count)
        return Kept(
            self._past.pitches[notes].astype(np.uint8),
            self._seconds[: self._count].copy(),
            np.array(self._starts, np.int32),
            np.array([*self._before, self._trust]),
        )

    def begin_phrase(self) -> None:
        """Say that the next note begins a phrase: the time before it is not one that the player would play again."""
        self._begins = True

    def heard(self, pitch: int, step: float, step_logits: FloatArray | None, pitch_logits: FloatArray | None) -> None:
        """Remember a note of the player, `step` seconds after the one before.

        The logits are how the bare network had foreseen its step (68) and, given that, its pitch (128): from them is
        learned how far this memory is to be trusted. None where that is not known.
        """
        if self._count and not self._begins and step_logits is not None and pitch_logits is not None:
            moments = alike(self._past.first(self._count), self._context, PITCHES)
            if moments is not None:
                self._learn(moments, pitch, step, step_logits, pitch_logits)
        self._append(pitch, step)

    def forget_last(self) -> None:
        """Forget the last phrase, as if it had never been heard."""
        if not self._starts:
            return
        count, self._trust = self._starts.pop(), self._before.pop()
        self._past, self._seconds = _copied(self._past, self._seconds, 0, count, self._limit)
        self._count = count
        self._begins = True

    def forget_all(self) -> None:
        """Forget everything, what was learned of trust too."""
        # Who recalls may still be looking at the notes that go.
        self._past, self._seconds = Past.empty(self._limit), np.empty(self._limit, np.float32)
        self._count = 0
        self._trust = _FIRST
        self._starts, self._before = [], []
        self._begins = True

    def recall(self, notes: FloatArray, batch: int = 1, weight: float = 1.0) -> "Recall | None":
        """Return what comes to mind after `notes` (n >= 1, 4), for `batch` candidates; None for nothing at all.

        `weight`: 0 (nothing) to 1. What is learned or forgotten later does not change it.
        """
        if weight <= 0 or not self._count:
            return None
        past, context = self._past.first(self._count), Context.of(notes)
        moments = alike(past, context, PITCHES)
        return Recall(past, self._trust, min(weight, 1.0), (context,) * batch, (moments,) * batch)

    @property
    def _context(self) -> Context:
        """What was heard last."""
        last = slice(self._count + REACH - 1, self._count - 1, -1)
        return Context(
            int(self._past.pitches[last.start]), self._past.intervals[last].copy(), self._past.steps[last].copy()
        )

    def _learn(
        self, moments: Moments, pitch: int, step: float, step_logits: FloatArray, pitch_logits: FloatArray
    ) -> None:
        steps, of_step = _shares(step_logits)
        pitches, of_pitch = _shares(pitch_logits)
        place = int(time_bins(np.array([step], np.float32))[0])
        told = []
        for at, shares, evidence in (
            (place, steps, moments.step_evidence(of_step)),
            (pitch, pitches, moments.pitch_evidence(of_pitch, step, PITCHES)),
        ):
            told.append((shares[at] + SCALES * evidence[at]) / (1 + SCALES * evidence.sum()))
        trust = self._trust * np.maximum(told, 1e-30)
        trust /= trust.sum(axis=1, keepdims=True)
        self._trust = trust * (1 - _SHARE) + _SHARE * _FIRST

    def _append(self, pitch: int, step: float) -> None:
        if self._count == self._limit:
            self._drop(max(1, int(_GO * self._limit)))
        at = self._count + REACH
        past = self._past
        past.pitches[at] = pitch
        self._seconds[self._count] = step
        if self._count:
            past.intervals[at] = pitch - int(past.pitches[at - 1])
        past.steps[at] = softened(self._seconds[self._count : self._count + 1])[0]
        past.bins[at] = -1 if self._begins else time_bins(np.array([step], np.float32))[0]
        if self._begins:
            self._starts.append(self._count)
            self._before.append(self._trust)
            self._begins = False
        self._count += 1

    def _drop(self, count: int) -> None:
        """Let the oldest notes go; of a phrase that is cut, what is left is one."""
        self._past, self._seconds = _copied(self._past, self._seconds, count, self._count, self._limit)
        self._count -= count
        self._past.intervals[REACH] = NO_INTERVAL
        kept = [(start - count, trust) for start, trust in zip(self._starts, self._before, strict=True)]
        cut = [each for each in kept if each[0] < 0]
        kept = [each for each in kept if each[0] >= 0]
        if self._count and (not kept or kept[0][0] > 0):
            kept.insert(0, (0, cut[-1][1]))
        self._starts, self._before = [start for start, _ in kept], [trust for _, trust in kept]


@dataclass(frozen=True, slots=True, eq=False)
class Recall:
    """What comes to mind, for each candidate of a batch. Never written to once made, whatever is heard meanwhile.

    `contexts`: what each candidate has heard and played; its own notes are in there, never in `past`.
    """

    past: Past
    trust: Numbers
    weight: float
    contexts: tuple[Context, ...]
    moments: tuple[Moments | None, ...]

    def after(self, notes: FloatArray) -> "Recall":
        """Return what comes to mind one note later: `notes` (batch, 4)."""
        contexts = tuple(
            context.after(int(note[PITCH]), float(note[STEP]))
            for context, note in zip(self.contexts, notes, strict=True)
        )
        moments = tuple(alike(self.past, context, PITCHES) for context in contexts)
        return replace(self, contexts=contexts, moments=moments)

    def chosen(self, which: Sequence[int] | NDArray[np.integer]) -> "Recall":
        """Return this for those of the candidates, in that order."""
        return replace(
            self,
            contexts=tuple(self.contexts[at] for at in which),
            moments=tuple(self.moments[at] for at in which),
        )

    def step(self, logits: FloatArray) -> FloatArray:
        """Return the network's logits of the step (batch, 68) with the memory in them."""
        return self._mixed(logits, 0, None)

    def pitch(self, logits: FloatArray, steps: FloatArray) -> FloatArray:
        """Return the network's logits of the pitch (batch, 128) with the memory in them, given the steps (seconds)."""
        return self._mixed(logits, 1, steps)

    def _mixed(self, logits: FloatArray, part: int, steps: FloatArray | None) -> FloatArray:
        mixed = logits.copy()
        for row, moments in enumerate(self.moments):
            if moments is None:
                continue
            shares, entropy = _shares(logits[row])
            evidence = (
                moments.step_evidence(entropy)
                if steps is None
                else moments.pitch_evidence(entropy, float(steps[row]), len(shares))
            )
            total = evidence.sum()
            # What each scale leaves to the network, and what it makes of the evidence.
            left = self.trust[part] / (1 + SCALES * total)
            own = self.weight * float(left @ SCALES)
            shares *= 1 - own * total
            shares += own * evidence
            mixed[row] = np.log(np.maximum(shares, 1e-30))
        return mixed


def _shares(logits: FloatArray) -> tuple[Numbers, float]:
    """Return the probabilities (n), and their entropy in nats."""
    logs = logits.astype(np.float64)
    logs -= logs.max()
    shares = np.exp(logs)
    total = shares.sum()
    shares /= total
    return shares, float(np.log(total) - shares @ logs)


def _copied(past: Past, seconds: FloatArray, start: int, end: int, room: int) -> tuple[Past, FloatArray]:
    """Return the notes from `start` to `end` in columns of their own."""
    fresh, times = Past.empty(room), np.empty(room, np.float32)
    for new, old in (
        (fresh.pitches, past.pitches),
        (fresh.intervals, past.intervals),
        (fresh.steps, past.steps),
        (fresh.bins, past.bins),
    ):
        new[REACH : REACH + end - start] = old[REACH + start : REACH + end]
    times[: end - start] = seconds[start:end]
    return fresh, times
