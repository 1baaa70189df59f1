import io
import sys

import pytest

from improv.console import Console
from improv.ports.link import PortState

BOTH = PortState("jack", (("improv in", True),), ("improv out", True))


def said(capsys):
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
