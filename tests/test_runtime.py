import os
import subprocess
import sys
from pathlib import Path

import pytest

from improv.errors import ImprovError, PortError
from improv.ports.link import Hello, Role, Wish, Wished
from improv.runtime import Runtime, dial_running, lock_key
from improv.settings import Ports, Settings
from tests.ports.process import Process

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the modes of folders")

HOLDER = """
import sys
from improv.runtime import Runtime
held = Runtime("improv-jack")
print(flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def base(tmp_path, monkeypatch):
    # Short, as a socket's path must be.
    short = Path("/tmp") / f"improv-test-{os.getpid()}"  # noqa: S108
    short.symlink_to(tmp_path)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(short))
    yield tmp_path
    short.unlink()


def test_the_folder_is_private_and_gone_afterwards(base):
    with Runtime("improv-jack") as runtime:
        assert runtime.folder.stat().st_mode & 0o777 == 0o700
        assert runtime.folder.parent.stat().st_mode & 0o777 == 0o700
        assert runtime.folder.resolve().is_relative_to(base)
        assert len(runtime.address) < 100
        Path(runtime.memory).touch()
    assert not runtime.folder.exists()
    runtime.close()


def test_a_second_jam_on_the_same_ports_is_told_which_one_runs():
    with Runtime("improv-jack"):
        with pytest.raises(ImprovError, match=rf"already running on these ports \(process {os.getpid()}, since 20"):
            Runtime("improv-jack")
        Runtime("other-jack").close()
    Runtime("improv-jack").close()


def test_jams_without_ports_do_not_mind_each_other():
    with Runtime(None) as one, Runtime(None) as two:
        assert one.address != two.address


def test_a_killed_jam_leaves_nothing_that_is_in_the_way():
    holder = subprocess.Popen((sys.executable, "-c", HOLDER), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with holder:
        holder.stdout.readline()
        with pytest.raises(ImprovError, match=f"process {holder.pid},"):
            Runtime("improv-jack")
        holder.kill()
    with Runtime("improv-jack") as runtime:
        assert list(runtime.folder.iterdir()) == []


def test_a_folder_that_others_can_enter_is_not_used(base, monkeypatch):
    open_to_all = base / f"improv-{os.getuid()}"
    open_to_all.mkdir()
    open_to_all.chmod(0o755)
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(base))
    with Runtime("improv-jack") as runtime:
        assert not runtime.folder.resolve().is_relative_to(base)


JACK = Settings(ports=Ports(backend="jack"))
KEY = b"k" * 32


def jam(runtime, folder):
    """Have a ports process where `runtime` says, with the key that is shared."""
    runtime.share(KEY)
    return Process(folder, runtime.address, KEY)


def test_the_key_is_for_this_user_only():
    with Runtime("improv-jack") as runtime:
        runtime.share(KEY)
        assert runtime.key_file.stat().st_mode & 0o777 == 0o600
    assert not runtime.key_file.exists()


def test_ports_are_told_apart_by_name_system_and_server(monkeypatch):
    monkeypatch.setenv("JACK_DEFAULT_SERVER", "stage")
    assert lock_key(JACK) == "improv-jack-stage"
    monkeypatch.delenv("JACK_DEFAULT_SERVER")
    assert lock_key(Settings(ports=Ports(backend="jack", name="second"))) == "second-jack"
    assert lock_key(Settings(ports=Ports(backend="none"))) is None


def test_another_process_finds_the_jam_and_is_heard(tmp_path, monkeypatch):
    monkeypatch.delenv("JACK_DEFAULT_SERVER", raising=False)
    with (
        Runtime(lock_key(JACK)) as runtime,
        jam(runtime, tmp_path) as ports,
        Runtime("other-jack") as other,
        jam(other, tmp_path / "other"),
    ):
        brain = ports.call(Hello(Role.BRAIN))
        dial_running(JACK).send(Wish("mode", "duet"))
        wished = ports.listen(brain, Wished)
        assert (wished.name, wished.value) == ("mode", "duet")


@pytest.mark.parametrize("settings", [JACK, Settings(ports=Ports(backend="none"))])
def test_the_only_jam_is_meant_and_several_have_to_be_told_apart(tmp_path, settings, monkeypatch):
    monkeypatch.delenv("JACK_DEFAULT_SERVER", raising=False)
    with pytest.raises(PortError, match="no jam is running"):
        dial_running(settings)
    with Runtime(None) as one, Runtime(None) as two, jam(one, tmp_path / "one"):
        two.share(KEY)  # nobody listens there: it has been killed
        dial_running(settings).close()
        with jam(two, tmp_path / "two"), pytest.raises(PortError, match="several jams"):
            dial_running(settings)
    with pytest.raises(PortError, match="no jam is running"):
        dial_running(settings)
