from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from improv.bench.figures import Limit, Row, Verdict, judged, not_run, percentile, share_above, spread

AT_MOST_5 = (Limit("p99", 5.0),)


def test_percentiles_lie_between_neighbours_in_proportion():
    assert percentile([4.0, 1.0, 3.0, 2.0], 50) == 2.5
    assert percentile([1.0, 2.0, 3.0], 100) == 3.0
    assert percentile([7.0], 99) == 7.0


@given(st.lists(st.floats(-1e6, 1e6), min_size=1))
def test_a_spread_is_in_order_and_within_the_samples(samples):
    values = list(spread(samples).values())
    assert min(samples) <= values[0] + 1e-6
    assert all(lower <= higher + 1e-6 for lower, higher in pairwise(values))
    assert values[-1] == max(samples)


def test_share_above_is_in_percent_and_does_not_count_the_limit_itself():
    assert share_above([1.0, 5.0, 6.0, 7.0], 5.0) == 50.0
    assert share_above([], 5.0) == 0.0


@pytest.mark.parametrize(
    ("values", "floor", "limits", "verdict"),
    [
        ({"p99": 5.0}, {}, AT_MOST_5, Verdict.MET),
        ({"p99": 5.1}, {}, AT_MOST_5, Verdict.MISSED),
        ({"p99": 5.1}, {"p99": 4.9}, AT_MOST_5, Verdict.MISSED),
        ({"p99": 5.1}, {"p99": 5.1}, AT_MOST_5, Verdict.FLOOR_MISSED),
        ({"p50": 1.0}, {}, AT_MOST_5, Verdict.MISSED),  # what was promised was not measured
        ({"p99": 9.0}, {}, (), Verdict.SHOWN),
        ({}, {}, AT_MOST_5, Verdict.NOT_RUN),
        ({"ratio": 50.0}, {}, (Limit("ratio", 50, least=True),), Verdict.MET),
        ({"ratio": 49.0}, {}, (Limit("ratio", 50, least=True),), Verdict.MISSED),
    ],
)
def test_verdicts(values, floor, limits, verdict):
    assert judged(Row("a figure", "ms", values, floor, limits)).verdict is verdict


def test_a_floor_excuses_only_the_limit_that_it_misses_too():
    limits = (Limit("p50", 1.0), Limit("p99", 5.0))
    missed_both = {"p50": 2.0, "p99": 9.0}
    assert judged(Row("", "ms", missed_both, {"p50": 0.1, "p99": 9.0}, limits)).verdict is Verdict.MISSED
    assert judged(Row("", "ms", missed_both, {"p50": 1.1, "p99": 9.0}, limits)).verdict is Verdict.FLOOR_MISSED


def test_a_figure_that_was_not_run_says_why():
    assert not_run("a figure", "jackd is not installed") == Row(
        "a figure", note="jackd is not installed", verdict=Verdict.NOT_RUN
    )
