"""The whole bench in small, with the real processes. What it measures is not asserted: the machine decides that."""

import json
import shutil
import signal
import subprocess
import sys

import psutil
import pytest

from improv import bench
from improv.bench.figures import Verdict
from improv.errors import ImprovError
from improv.sessions.performance import DEMO

TINY = bench.Size(
    engine_rounds=1, starts=1, idle_s=0.5, lateness_rounds=1, lateness_notes=20, turns=2, cuts=5, wire_cuts=25
)


@pytest.mark.live
def test_every_figure_is_measured_or_says_what_is_missing():
    said = []
    rows = bench.measure(said.append, TINY)
    assert {row.what: row.note for row in rows if row.verdict is Verdict.NOT_RUN and "installed" not in row.note} == {}
    assert {row.verdict for row in rows} >= {Verdict.MET, Verdict.SHOWN}
    assert len(rows) >= 18
    assert said
    assert not psutil.Process().children()


@pytest.mark.live
def test_an_interrupt_ends_everything_that_was_started():
    script = "from improv.bench import jam; list(jam.start(9, lambda text: print(text, flush=True)))"
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        started = {}
        for line in process.stdout:
            started |= {child.pid: child for child in psutil.Process(process.pid).children(recursive=True)}
            if line.startswith(b"start: 2"):
                break
        process.send_signal(signal.SIGINT)
        started |= {child.pid: child for child in psutil.Process(process.pid).children(recursive=True)}
    _, left = psutil.wait_procs(list(started.values()), timeout=10)
    assert started
    assert not left


def test_answers_to_a_folder_are_shown_and_written(tmp_path):
    shutil.copy(DEMO, tmp_path)
    shown, said = [], []
    report = tmp_path / "report.json"
    assert bench.run(report, shown.append, said.append, tmp_path, 2) == 0
    assert json.loads(report.read_text())["figures"][0]["note"] == "2 calls"
    assert said == ["calls: 1 of 2", "calls: 2 of 2"]
    assert len(shown) == 1


def test_a_report_that_cannot_be_written_is_refused_before_anything_is_measured(tmp_path):
    with pytest.raises(ImprovError, match="No such file"):
        bench.run(tmp_path / "nowhere" / "report.json", lambda _table: None, lambda _text: None)
