import os
import subprocess
import sys
from pathlib import Path

import pytest

from improv.errors import ImprovError
from improv.runtime import Runtime

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
