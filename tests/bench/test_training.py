import pytest

from improv.bench import training
from improv.bench.figures import Verdict
from improv.errors import CorpusError


def rows(lstm, tutorial):
    sizes = {"tutorial": 100, "lstm": 1380}
    return list(training.rows(sizes, {"tutorial": tutorial, "lstm": lstm}, "CPU (2 cores)"))


def test_the_flagship_is_compared_round_by_round():
    *networks, ratio = rows([300, 500, 90], [100, 100, 100])
    assert [row.values["p50"] for row in networks] == [100, 300]
    assert "13.8 times its parameters" in ratio.what
    assert (ratio.values["p50"], ratio.verdict) == (3, Verdict.MET)
    assert rows([190], [100])[-1].verdict is Verdict.MISSED


def test_a_folder_that_is_not_there_is_told_before_anything_starts(tmp_path):
    with pytest.raises(CorpusError, match="no such file or folder"):
        list(training.measure(tmp_path / "none", lambda _: None))
