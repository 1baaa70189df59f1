import sys

import pytest

from improv.errors import PortError
from improv.ports.midi import hand_over, is_ours, matches, resolve


def test_ports_are_found_by_partial_name_whatever_the_case():
    assert matches("keystation", "Keystation 88:Keystation 88 MIDI 1 20:0")
    assert matches("MIDI 1", "Keystation 88:Keystation 88 MIDI 1 20:0")
    assert not matches("Keystation 61", "Keystation 88")


def test_our_own_ports_are_known():
    for port in ("improv in:midi", "improv out:midi", "improv out:midi 128:0", "improv:improv in 128:0", "improv in"):
        assert is_ours(port, "improv")
    assert not is_ours("improvisor:in", "improv")
    assert not is_ours("Keys:improv in", "improv")


def test_a_driver_message_is_handed_over_as_bytes():
    heard = []
    hand_over(lambda *message: heard.append(message), "keys")(([0x90, 60, 80], 0.1), None)
    [(at, port, data)] = heard
    assert at > 0
    assert (port, data) == ("keys", b"\x90\x3c\x50")


@pytest.mark.skipif(sys.platform != "linux", reason="names what Linux lacks")
def test_a_system_of_another_machine_is_refused():
    with pytest.raises(PortError, match="coremidi"):
        resolve("coremidi")
    assert resolve("none") == "none"
    assert resolve("auto") in {"alsa", "jack"}
