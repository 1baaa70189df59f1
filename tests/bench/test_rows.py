"""What the measurements make of their samples: no clock, no process."""

from improv.bench.figures import Verdict
from improv.bench.lateness import against_bare
from improv.bench.turns import compared


def test_lateness_is_compared_by_the_median_of_block_medians():
    bare = [[0.1, 0.1, 9.0], [0.1, 0.2, 0.1]]
    ports = [[0.15, 0.15, 0.2], [0.15, 0.25, 0.15]]
    lateness, share = against_bare(ports, bare, "")
    assert round(lateness.values["median over bare"], 6) == 0.05
    assert lateness.floor["max"] == 9.0
    assert round(share.values["over bare"], 3) == -16.667
    assert lateness.verdict is share.verdict is Verdict.MET


def test_later_than_bare_is_missed():
    lateness, share = against_bare([[0.4, 0.4, 6.0]], [[0.1, 0.1, 0.1]], "")
    assert lateness.verdict is share.verdict is Verdict.MISSED


def test_first_notes_are_set_beside_all_others():
    assert compared([0.2, 0.3], [0.2, 0.2, 0.25], 2).verdict is Verdict.MET
    assert compared([0.5, 0.6], [0.2, 0.2, 0.25], 2).verdict is Verdict.MISSED
    assert compared([], [], 2).verdict is Verdict.NOT_RUN
