"""Tempo and phase of a train of pulses, from their noisy moments: of MIDI clock's ticks.

Each pulse is counted, compared with the curve through those before it; lost and doubled ones are seen by that. What was
counted wrongly is counted anew a few pulses later, when it shows: as losses, or as a jump of the tempo.
"""

from dataclasses import dataclass, replace

from improv.beat import Grid
from improv.listen.curve import KEPT, Curve, fitted

_FEWEST = 6  # pulses that tell a tempo
# Scatter of the pulses (seconds): the first guess, the least believed (a stamp's own grain), how fast it is learnt.
_SCATTER_S = 0.002
_LEAST_SCATTER_S = 0.0002
_LEARNING = 1 / 32
_SECOND_DIFFERENCE = 1.954  # its mean size, of evenly spaced moments with normal scatter 1
# A pulse further off than this many scatters counts as this far off: a stall of the sender is no tempo.
_CLIP = 4.0
# In squared scatters: what a jump of the tempo must save, and what each lost or doubled pulse counts for.
_JUMP_COSTS = 60.0
_LOSS_COSTS = 12.0
_RECENT = 20
_ASTRAY = 0.35  # pulses off: it may have been counted wrongly
_SURE = 24  # pulses whose curve can tell what is lost
_SAME_S = 0.004  # before a tempo is known: closer than this (seconds), and one pulse doubles the other
# After a new start in another phase, so many pulses tell by how much.
_ALIGNING = 24


@dataclass(slots=True)
class _Pulse:
    """A pulse as it came: its moment (seconds), its count, and how many were lost before it.

    `lost` -1: it doubled the one before and was not counted. `off`, `astray`: how much earlier than its place it came,
    in scatters and in pulses; `before`: the curve it was compared with, where that is sure enough to look back.
    """

    at: float
    count: int
    lost: int
    off: float = 0.0
    astray: float = 0.0
    before: Curve | None = None

    @property
    def is_doubtful(self) -> bool:
        """Whether it may have been counted wrongly."""
        return self.lost != 0 or (abs(self.astray) > _ASTRAY and abs(self.off) > _CLIP)


@dataclass(slots=True)
class _Aligning:
    """A train that has started anew: its curve `before`, where the new start begins, and the shift (seconds) so far."""

    before: Curve
    begin: int
    shift: float = 0.0


class Pulse:
    """Follow a train of pulses, `per_beat` of them a beat: `feed` each moment, and `grid` says where the train goes.

    The count goes on over lost and doubled pulses, and never goes back.
    """

    def __init__(self, per_beat: int) -> None:
        self._per_beat = per_beat
        self._times: list[float] = []
        self._counts: list[int] = []
        self._recent: list[_Pulse] = []
        self._scatter = _SCATTER_S
        self._curve: Curve | None = None
        self._rate: float | None = None  # of a train that has been forgotten
        self._next = 0
        self._realigns = False
        self._aligning: _Aligning | None = None

    @property
    def next(self) -> int:
        """The count that the next pulse will have, if none is lost."""
        return self._next

    @property
    def rate(self) -> float | None:
        """Pulses a second; None before it is known."""
        return self._curve.rate if self._curve is not None else self._rate

    def realign(self) -> None:
        """Expect the next pulse in whatever phase: its sender has started anew. Tempo and count go on."""
        self._realigns = True

    def forget(self) -> None:
        """Forget the pulses but not their tempo: there has been a long gap."""
        self._rate = self.rate
        self._times.clear()
        self._counts.clear()
        self._recent.clear()
        self._curve = None
        self._aligning = None

    def feed(self, at: float) -> int | None:
        """Take in a pulse at `at` (seconds); return its count, None for one that only doubles the last."""
        if not self._recent:
            self._append(_Pulse(at, self._next, 0), at)
            self._realigns = False
            self._fit()
            return self._counts[-1]
        if self._realigns:
            self._align(at)
        pulse = self._counted(at)
        self._learn_scatter(pulse)
        if pulse.lost < 0:
            self._recent.append(pulse)
            del self._recent[:-_RECENT]
            return None
        self._append(pulse, at - self._excess(pulse))
        if self._aligning is not None:
            self._go_on_aligning(self._aligning)
        self._look_back()
        self._fit()
        return self._counts[-1]

    def grid(self) -> Grid | None:
        """Return the train's beat, count 0 as beat 0; None before its tempo is known.

        It goes through the place of the newest pulse and the place a beat later.
        """
        curve = self._curve
        if curve is None:
            return None
        return Grid(curve.at, curve.count / self._per_beat, curve.seconds(self._per_beat))

    def _counted(self, at: float) -> _Pulse:
        """Return the pulse at `at` with the likeliest count."""
        counted = (pulse for pulse in reversed(self._recent) if pulse.lost >= 0)
        last = next(counted, _Pulse(self._times[-1], self._counts[-1], 0))
        rate = self.rate
        if rate is None:
            lost = -1 if at - last.at < _SAME_S else 0
            return _Pulse(at, last.count + 1 + lost, lost)
        if self._curve is None:
            gone, unit = (at - last.at) * rate, 2 * self._scatter * rate
        else:
            # A curve through few pulses tells less.
            gone = self._curve.value(at) - last.count
            unit = self._scatter * rate * (1 + _FEWEST / len(self._times))
        step = _step(gone, unit)
        return _Pulse(at, last.count + step, step - 1, (step - gone) / unit, step - gone, self._reference)

    @property
    def _reference(self) -> Curve | None:
        """The curve if it is sure enough to tell what will be lost."""
        return self._curve if len(self._times) >= _SURE else None

    def _excess(self, pulse: _Pulse) -> float:
        """Return by how many seconds a pulse is later than may count."""
        late = -pulse.off
        return (late - min(max(late, -_CLIP), _CLIP)) * self._scatter

    def _append(self, pulse: _Pulse, at: float) -> None:
        self._recent.append(pulse)
        del self._recent[:-_RECENT]
        self._times.append(at)
        self._counts.append(pulse.count)
        self._next = pulse.count + 1
        if len(self._times) > 2 * KEPT:
            gone = len(self._times) - KEPT
            del self._times[:gone], self._counts[:gone]
            self._aligning = None

    def _learn_scatter(self, pulse: _Pulse) -> None:
        """Learn from three pulses in a row, whose second difference no tempo moves."""
        before = self._recent[-2:]
        if len(before) < 2 or pulse.lost or before[0].lost < 0 or before[1].lost:
            return
        bend = abs(pulse.at - 2 * before[1].at + before[0].at) / _SECOND_DIFFERENCE
        scatter = self._scatter + (min(bend, 4 * self._scatter) - self._scatter) * _LEARNING
        self._scatter = max(scatter, _LEAST_SCATTER_S)

    def _align(self, at: float) -> None:
        """Move what is known of the train in time, if its next pulse at `at` (seconds) says so."""
        self._realigns = False
        curve = self._curve
        if curve is None:
            return
        early = (self._next - curve.value(at)) / curve.rate
        if abs(early) > _CLIP * self._scatter:
            self._aligning = _Aligning(curve, len(self._times))
            self._shift(-early)

    def _go_on_aligning(self, aligning: "_Aligning") -> None:
        times, counts = self._times[aligning.begin :], self._counts[aligning.begin :]
        if not times:
            return
        late = sum(map(aligning.before.late, times, counts)) / len(times)
        self._shift(late - aligning.shift)
        if len(times) >= _ALIGNING:
            self._aligning = None

    def _shift(self, seconds: float) -> None:
        """Move what was before the new start."""
        if self._aligning is None:
            return
        begin = self._aligning.begin
        self._aligning.shift += seconds
        self._times[:begin] = [time + seconds for time in self._times[:begin]]
        for pulse in self._recent:
            if pulse.count <= self._counts[begin - 1]:
                pulse.at += seconds
        if self._curve is not None:
            self._curve = replace(self._curve, at=self._curve.at + seconds)

    def _look_back(self) -> None:
        """Count the newest pulses anew where that explains them better: with losses, or with a jump of the tempo."""
        recent = self._recent
        first = next((i for i, pulse in enumerate(recent) if pulse.is_doubtful), None)
        if first is None or (before := recent[first].before) is None:
            return
        late = recent[first:]
        last = recent[first - 1].count if first else late[0].count - 1 - max(late[0].lost, 0)
        unit = before.rate * self._scatter
        places = [before.value(pulse.at) for pulse in late]
        now = self._cost([pulse.count for pulse in late], places, last, unit)
        counts = _counted(places, last, unit)
        cost = self._cost(counts, places, last, unit)
        if cost < now - _LOSS_COSTS:
            now = cost
            self._recount(first, last, counts)
        jump, begin = now - _JUMP_COSTS, None
        for start in range(len(late) - _FEWEST + 1):
            cost = self._cost([pulse.count for pulse in late[:start]], places[:start], last, unit)
            cost += _line_error([pulse.at for pulse in late[start:]]) / self._scatter**2
            if cost < jump:
                jump, begin = cost, start
        if begin is not None:
            self._jump(first + begin)

    @staticmethod
    def _cost(counts: list[int], places: list[float], last: int, unit: float) -> float:
        """Return how unlikely counts are at these places: squared scatters, and what is lost or doubled."""
        cost = 0.0
        for count, place in zip(counts, places, strict=True):
            cost += ((count - place) / unit) ** 2 + _LOSS_COSTS * (count != last + 1)
            last = count
        return cost

    def _recount(self, first: int, last: int, counts: list[int]) -> None:
        """Give the newest pulses, from number `first` on, these counts; `last` is that of the one before."""
        recent = self._recent[first:]
        kept = len(self._times) - sum(pulse.lost >= 0 for pulse in recent)
        del self._times[kept:], self._counts[kept:]
        for pulse, count in zip(recent, counts, strict=True):
            pulse.count, pulse.lost = count, count - last - 1
            if pulse.lost >= 0:
                self._times.append(pulse.at)
                self._counts.append(count)
            last = count
        self._next = last + 1

    def _jump(self, begin: int) -> None:
        """Forget all before pulse `begin` of the newest, from which on every pulse counts."""
        jumped = self._recent[begin:]
        first = self._recent[begin - 1].count + 1 if begin else jumped[0].count - max(jumped[0].lost, 0)
        if all(pulse.count == first + i for i, pulse in enumerate(jumped)):
            return
        self._recent = [_Pulse(pulse.at, first + i, 0) for i, pulse in enumerate(jumped)]
        self._times = [pulse.at for pulse in self._recent]
        self._counts = [pulse.count for pulse in self._recent]
        self._next = self._counts[-1] + 1
        self._aligning = None

    def _fit(self) -> None:
        if len(self._times) >= _FEWEST:
            self._curve = fitted(self._times[-KEPT:], self._counts[-KEPT:], self._scatter) or self._curve
        elif self._times and self._rate is not None:
            # The tempo of before, until there are enough pulses to tell.
            at, last, rate = self._times[-1], self._counts[-1], self._rate
            places = [c - last + rate * (at - time) for time, c in zip(self._times, self._counts, strict=True)]
            self._curve = Curve(at, last + sum(places) / len(places), rate)


def _step(gone: float, unit: float) -> int:
    """Return how many pulses on a pulse is that comes `gone` pulses after the last, `unit` their scatter in pulses.

    One, unless another number is much likelier: pulses are seldom lost or doubled.
    """
    step = max(0, round(gone))
    saved = (gone - 1) ** 2 - (gone - step) ** 2
    return step if saved > _LOSS_COSTS * unit**2 else 1


def _counted(places: list[float], last: int, unit: float) -> list[int]:
    """Return the counts of pulses at these places, after one of count `last`."""
    counts = []
    for place in places:
        last += _step(place - last, unit)
        counts.append(last)
    return counts


def _line_error(moments: list[float]) -> float:
    """Return the squared error (seconds squared) of evenly spaced pulses at these moments."""
    number = len(moments)
    middle, mean = (number - 1) / 2, sum(moments) / number
    spread = number * (number**2 - 1) / 12
    slope = sum((i - middle) * moment for i, moment in enumerate(moments)) / spread
    return sum((moment - mean - slope * (i - middle)) ** 2 for i, moment in enumerate(moments))
