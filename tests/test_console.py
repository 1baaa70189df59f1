import io
import os
import signal
import subprocess
import sys

import pytest

from improv import console as module
from improv.console import Console, flush, keep_traceback
from improv.ports.link import PortState

BOTH = PortState("jack", (("improv in", True),), ("improv out", True))


def said(capsys):
    flush()
    return capsys.readouterr().err.splitlines()


def test_a_turn_is_two_lines(capsys):
    console = Console()
    console.heard(12, 3.14)
    console.answered(1, 0.96, cut=True)
    assert said(capsys) == ["you    12 notes, 3.1 s", "improv  1 note, 1.0 s, then yielded"]


def test_ports_are_told_once_and_then_what_changes(capsys):
    console = Console()
    console.ports(BOTH)
    assert said(capsys) == ["in     improv in (jack)", "out    improv out (jack)"]
    console.ports(BOTH)
    assert said(capsys) == []
    console.ports(PortState("jack", (("improv in", False),), ("improv out", True), ("synth",), "the server has gone"))
    assert said(capsys) == [
        "in     improv in has gone; waiting for it",
        "ports  connected: synth",
        "improv: the server has gone",
    ]
    console.ports(PortState("jack", (("improv in", True),), ("improv out", True), ("synth",)))
    assert said(capsys) == ["in     improv in is back"]


def test_a_port_that_is_not_there_yet_is_waited_for(capsys):
    Console().ports(PortState("alsa", (("nano", False),), ("synth", True)))
    assert said(capsys)[0] == "in     nano (alsa), not there yet: waiting"


def test_no_midi_system_is_no_news(capsys):
    Console().ports(PortState("none", (), ("", False)))
    assert said(capsys) == []


def test_quiet_leaves_only_trouble(capsys):
    console = Console(quiet=True)
    console.ready("tutorial", 7)
    console.heard(12, 3.14)
    console.ports(BOTH)
    console.trouble("the disk is full")
    assert said(capsys) == ["improv: the disk is full"]


@pytest.mark.parametrize("broken", [OSError, ValueError])
def test_a_closed_terminal_is_no_reason_to_stop(monkeypatch, broken):
    class Closed(io.StringIO):
        def write(self, _text):
            raise broken

    monkeypatch.setattr(sys, "stderr", Closed())
    Console().ready("tutorial", 7)
    flush()


def test_a_terminal_that_takes_nothing_holds_nobody_up():
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    try:
        while os.write(writer, b"x" * 65_536):
            pass
    except BlockingIOError:
        os.set_blocking(writer, True)
    code = "from improv.console import Console\nfor n in range(5000): Console().trouble(str(n))\n"
    done = subprocess.run((sys.executable, "-c", code), stderr=writer, timeout=30, check=False)
    assert done.returncode == 0
    jam = subprocess.Popen(
        (sys.executable, "-m", "improv", "jam", "--backend", "none", "--no-record"),
        stderr=writer,
        stdout=subprocess.DEVNULL,
    )
    try:
        with pytest.raises(subprocess.TimeoutExpired):
            jam.wait(5)
        jam.send_signal(signal.SIGTERM)
        assert jam.wait(15) == 0
    finally:
        jam.kill()
        jam.wait()
        os.close(reader)
        os.close(writer)


def test_a_mistake_made_again_is_kept_once(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(module, "_kept", {})
    assert keep_traceback(KeyError(1)) == keep_traceback(KeyError(2)) != keep_traceback(OSError())
    assert len(list(tmp_path.iterdir())) == 2
