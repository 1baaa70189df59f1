import pytest

from improv.play.gate import Policy
from improv.ports.spec import Spec
from improv.settings import BargeIn, Midi, Ports, Settings


@pytest.mark.parametrize("address", ["/run/improv", ("127.0.0.1", 4000)])
def test_a_spec_survives_its_line(address):
    ports = Ports(backend="jack", inputs=("Keys", "Clavier é"), output="Synth", virtual=False, output_channel=2)
    settings = Settings(ports=ports, barge_in=BargeIn(cut="now"), midi=Midi(channel=16))
    spec = Spec.of(settings, address, b"\x00key", "memory")
    line = spec.to_line()
    assert line.count(b"\n") == 1
    assert Spec.from_line(line) == spec
    assert spec.policy == Policy(output_channel=1, control_channel=15, fade=0.0)
