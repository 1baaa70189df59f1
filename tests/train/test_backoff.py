import numpy as np
import pytest

from improv.train.backoff import MISSING, Chain, hashed


def chain(symbols, size=4, order=2):
    symbols = np.asarray(symbols)
    return Chain.of(hashed(features(symbols, order)), symbols, size)


def features(symbols, order):
    """As contexts, nothing, the last symbol, the last two…"""
    back = [np.concatenate([np.full(count, -1), symbols[:-count]]) for count in range(1, order + 1)]
    return [np.zeros(len(symbols), np.int64), *back]


def after(*last, order=2):
    last = [*last, *[-1] * (order - len(last))]
    return hashed([np.array([0]), *(np.array([each]) for each in last)])


def test_every_distribution_adds_up_to_1():
    rng = np.random.default_rng(1)
    counted = chain(rng.integers(0, 4, 3000))
    asked = rng.integers(0, 6, 500)
    spread = counted.distributions(hashed(features(asked, 2)))
    assert spread.shape == (500, 4)
    assert spread.sum(axis=1) == pytest.approx(1, abs=1e-6)
    assert (spread > 0).all()


def test_what_always_follows_is_nearly_certain():
    counted = chain([0, 1, 2] * 2000)
    assert counted.distributions(after(1, 0))[0, 2] > 0.99
    assert chain([0, 1, 2] * 2000, order=1).distributions(after(0, order=1))[0, 1] > 0.99


def test_an_unseen_context_is_answered_by_the_shorter_one():
    counted = chain([0, 1, 2, 3, 0, 2, 1, 3] * 300)
    unseen = counted.distributions(after(1, 1))
    assert np.array_equal(unseen, counted.distributions(after(1)))
    assert not np.allclose(unseen, counted.distributions(after(1, 0)), atol=0.05)


def test_a_context_is_a_mixture_of_its_counts_and_the_shorter_one():
    counted = chain([0, 1, 0, 2, 0, 1, 0, 3, 1, 1, 2, 0, 3, 3, 2, 1] * 40)
    short, long = (counted.distributions(after(*last))[0] for last in ((0,), (0, 1)))
    (level,) = (level for level in counted.levels if (level.heads == after(0, 1)[2][0]).any())
    at = int(np.flatnonzero(level.heads == after(0, 1)[2][0])[0])
    entries = slice(level.firsts[at], level.firsts[at + 1])
    expected = level.rests[at] * short
    expected[(level.keys[entries] & np.uint64(255)).astype(int)] += level.masses[entries]
    assert long == pytest.approx(expected, rel=1e-4)


def test_a_short_context_counts_in_how_many_longer_ones_a_symbol_occurs():
    # 1 occurs often, but always after 0; 2 and 3 more rarely, after everything.
    often = [0, 1] * 500 + [2, 3, 0, 2, 0, 3, 1, 2, 1, 3, 2, 2, 3, 3] * 5
    spread = chain(often, order=1).distributions(after(order=1))
    assert spread[0, 1] < spread[0, 2]


def test_a_chain_of_nothing_finds_all_as_likely():
    counted = Chain.of(hashed([np.empty(0, np.int64)]), np.empty(0, np.int64), 4)
    assert counted.distributions(hashed([np.array([0])])).tolist() == [[0.25] * 4]


def test_a_context_that_lacks_something_is_missing_from_there_on():
    first, second, third = hashed([np.array([3, 3]), np.array([-1, 0]), np.array([5, 5])])
    assert first[0] == first[1] != MISSING
    assert (second == MISSING).tolist() == [True, False]
    assert (third == MISSING).tolist() == [True, False]


def test_contexts_differ_by_their_order():
    ab, ba = (hashed([np.array([one]), np.array([other])])[1] for one, other in ((1, 2), (2, 1)))
    assert ab != ba
