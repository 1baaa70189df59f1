import io
import json
import socket

from rich.console import Console

from improv.bench.figures import Limit, Row, judged, not_run
from improv.bench.report import render, to_json

ROWS = [
    judged(Row("a step", "ms", {"p50": 0.0512345, "p99": 12.34567}, {"p50": 0.03}, (Limit("p50", 0.1),), "a note")),
    judged(Row("a ratio", "times", {"p50": 499.0}, limits=(Limit("p50", 500, least=True),))),
    not_run("on JACK's wire", "jackd is not installed"),
]


def test_the_table_says_what_is_here_what_was_promised_and_what_became_of_it():
    screen = io.StringIO()
    Console(file=screen, width=160).print(render(ROWS))
    text = screen.getvalue()
    for word in ("a step", "a note", "p50 0.051 ms", "p99 12.3 ms", "p50 0.030 ms", "p50 ≤ 0.1 ms", "met"):
        assert word in text
    for word in ("p50 499.0 times", "p50 ≥ 500 times", "missed", "not run", "jackd is not installed"):
        assert word in text


def test_json_holds_all_rows_and_nothing_that_names_the_machine():
    text = to_json(ROWS)
    report = json.loads(text)
    step, ratio, wire = report["figures"]
    assert step == {
        "what": "a step",
        "unit": "ms",
        "values": {"p50": 0.05123, "p99": 12.35},
        "bare": {"p50": 0.03},
        "reach": ["p50 ≤ 0.1"],
        "verdict": "met",
        "note": "a note",
    }
    assert (ratio["verdict"], wire["verdict"]) == ("missed", "not run")
    assert report["cpus"] >= 1
    assert report["python"].startswith("3.")
    assert socket.gethostname() not in text
    assert "/" not in text
