"""What follows what, counted: distributions of a symbol given ever longer contexts, each resting on the shorter one.

Interpolated absolute discounting with three discounts (Chen and Goodman 1999): what is taken off the counts of a
context is spread as the context one level below says. Contexts are numbers of 64 bits, hashed, with the low 8 bits free
for the symbol, so that a level is one sorted array, and counting is sorting.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from improv.predict.encoding import FloatArray

Hashes = NDArray[np.uint64]
Symbols = NDArray[np.int64]

_SYMBOL_BITS = 8
SYMBOLS = 1 << _SYMBOL_BITS
_SYMBOL = np.uint64(SYMBOLS - 1)
# Of a context that lacks something, such as a note before the first: it is neither counted nor found.
MISSING = np.uint64(0)


def hashed(features: Sequence[NDArray[np.integer]]) -> list[Hashes]:
    """Return the contexts of the first feature, of the first two, and so on: one a note. Negative: MISSING from there.

    Two contexts are taken for one with a probability of n squared in 2 to the 57, for n contexts.
    """
    levels = []
    mixed = np.full(len(features[0]), 0x9E3779B97F4A7C15, np.uint64)
    whole = np.ones(len(mixed), bool)
    for depth, feature in enumerate(features, 1):
        whole &= feature >= 0
        mixed = _scrambled(mixed + feature.astype(np.uint64) * np.uint64(0xD1342543DE82EF95) + np.uint64(depth))
        levels.append(np.where(whole, mixed & ~_SYMBOL | np.uint64(SYMBOLS), MISSING))
    return levels


@dataclass(frozen=True, slots=True, eq=False)
class Level:
    """One length of context. Entry i says that `keys[i]` (context and symbol) has the probability `masses[i]` itself.

    Context j is `heads[j]`; its entries lie from `firsts[j]` to before `firsts[j + 1]`; `rests[j]` is left for the
    level below.
    """

    keys: Hashes
    masses: FloatArray
    heads: Hashes
    firsts: NDArray[np.int32]
    rests: FloatArray

    @classmethod
    def of(cls, contexts: Hashes, symbols: Symbols) -> tuple["Level", Symbols]:
        """Return what followed the `contexts` (n), counted: `symbols` (n); and one row of each kind, of n.

        Where the context is MISSING, every row is of a kind of its own.
        """
        keys = contexts | symbols.astype(np.uint64)
        order = np.argsort(keys)
        order = order[np.searchsorted(keys[order], np.uint64(SYMBOLS)) :]
        keys = keys[order]
        starts = _changes(keys)
        kinds = np.concatenate([np.flatnonzero(contexts == MISSING), order[starts]])
        counts = np.diff(starts, append=len(keys))
        keys = keys[starts]
        owners = keys & ~_SYMBOL
        firsts = _changes(owners)
        taken = _discounts(counts)[np.minimum(counts, 3)]
        # One more, so that there is something to add up when nothing was counted.
        totals, rests = (np.add.reduceat(np.append(each, 0), firsts) for each in (counts, taken))
        ends = np.append(firsts, len(keys))
        masses = (counts - taken) / np.repeat(totals, np.diff(ends))
        narrow = (masses.astype(np.float32), owners[firsts], ends.astype(np.int32), (rests / totals).astype(np.float32))
        return cls(keys, *narrow), kinds

    def refine(self, below: FloatArray, contexts: Hashes) -> None:
        """Make of the distributions `below` (n, symbols) those of the `contexts` (n) that are known, in place."""
        if not len(self.heads):
            return
        places = np.minimum(np.searchsorted(self.heads, contexts), len(self.heads) - 1)
        rows = np.flatnonzero(self.heads[places] == contexts)
        places = places[rows]
        below[rows] *= self.rests[places][:, None]
        sizes = self.firsts[places + 1] - self.firsts[places]
        ends = np.cumsum(sizes)
        entries = np.repeat(self.firsts[places] - ends + sizes, sizes) + np.arange(sizes.sum())
        symbols = (self.keys[entries] & _SYMBOL).astype(np.int64)
        below[np.repeat(rows, sizes), symbols] += self.masses[entries]


@dataclass(frozen=True, slots=True, eq=False)
class Chain:
    """Levels from the shortest context to the longest, over `size` symbols; below them, all symbols are as likely."""

    size: int
    levels: tuple[Level, ...]

    @classmethod
    def of(cls, contexts: Sequence[Hashes], symbols: Symbols, size: int) -> "Chain":
        """Return what followed `contexts` (a level each, n), counted: `symbols` (n) below `size`.

        After Kneser and Ney, a context is told how often a symbol followed it only at the longest level; below, in how
        many of the next longer contexts it did: a level is asked only where the longer ones know little.
        """
        levels = []
        rows = np.arange(len(symbols))
        for own in reversed(contexts):
            level, kinds = Level.of(own[rows], symbols[rows])
            levels.append(level)
            rows = rows[kinds]
        return cls(size, tuple(reversed(levels)))

    def distributions(self, contexts: Sequence[Hashes]) -> FloatArray:
        """Return the distributions (n, size) given `contexts` (a level each, n)."""
        spread = np.full((1, self.size), 1 / self.size, np.float32)
        rows = np.zeros(len(contexts[0]), np.int64)
        for level, own in zip(self.levels, contexts, strict=True):
            # The same context is looked up once: of the short ones, which so much follows, there are but few.
            kinds = np.where(own == MISSING, rows.astype(np.uint64), own)
            _, first, kind = np.unique(kinds, return_index=True, return_inverse=True)
            spread = spread[rows[first]]
            level.refine(spread, own[first])
            rows = kind
        # What was rounded off.
        spread /= spread.sum(axis=1, keepdims=True)
        return spread[rows]


def _changes(ordered: Hashes) -> Symbols:
    """Return where each run of equals begins."""
    return np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1])[: len(ordered)])


def _discounts(counts: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return what to take off a count of 0, 1, 2, and 3 or more, from how many counts are 1, 2, 3 and 4."""
    once, twice, thrice, four = (max(1, int((counts == count).sum())) for count in range(1, 5))
    share = once / (once + 2 * twice)
    taken = [0, 1 - 2 * share * twice / once, 2 - 3 * share * thrice / twice, 3 - 4 * share * four / thrice]
    # Few counts give odd ratios: something is always taken, and something always left.
    return np.array([0, *(min(max(each, 0.1), 0.9 * count) for count, each in enumerate(taken[1:], 1))])


def _scrambled(numbers: Hashes) -> Hashes:
    """Return `numbers` with every bit of each depending on all of its others (splitmix64)."""
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(numbers ^ (numbers >> np.uint64(31)), np.uint64)
