"""Order and needs of the tests: pure ones first, then those with real servers, then those with TensorFlow."""

import importlib.util
import os
import shutil
from pathlib import Path

import pytest

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
