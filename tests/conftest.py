"""Order and needs of the tests: pure ones first, then those with real servers, then those with TensorFlow."""

import importlib.util
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from improv import cli

ROOT = Path(__file__).parents[1]
LIVE = Path(__file__).with_name("live")
SOUNDFONT = Path("/usr/share/sounds/sf2/FluidR3_GM.sf2")
SERVERS = [name for name in ("jackd", "fluidsynth") if shutil.which(name) is None]
SERVERS += [] if SOUNDFONT.exists() else [SOUNDFONT.name]
# A person may lack a server; CI may not.
CI = bool(os.environ.get("CI"))


def pytest_report_header() -> str | None:
    return None if CI or not SERVERS else f"skipped: tests/live, for want of {', '.join(SERVERS)}"


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    # Its very fixtures need JACK's library.
    return True if collection_path == LIVE and SERVERS and not CI else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # The sort is stable: within each group the random order stays.
    items.sort(key=lambda item: 2 if item.get_closest_marker("tensorflow") else bool(item.get_closest_marker("live")))


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("tensorflow") and importlib.util.find_spec("tensorflow") is None:
        if CI:
            pytest.fail("TensorFlow is not installed")
        pytest.skip("TensorFlow is not installed")


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str


@pytest.fixture
def improv(tmp_path, monkeypatch, capfd):
    """Return a function that runs `improv` in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")

    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["improv", *arguments])
        with pytest.raises(SystemExit) as left:
            cli.main()
        return Done(left.value.code or 0, *capfd.readouterr())

    return run
