"""Order and needs of the tests: pure ones first, then those with real servers, then those with TensorFlow."""

import importlib.util
import os
import shutil
from pathlib import Path

import pytest

SOUNDFONT = Path("/usr/share/sounds/sf2/FluidR3_GM.sf2")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # The sort is stable: within each group the random order stays.
    items.sort(key=lambda item: 2 if item.get_closest_marker("tensorflow") else bool(item.get_closest_marker("live")))


def pytest_runtest_setup(item: pytest.Item) -> None:
    missing = []
    if item.get_closest_marker("live"):
        missing += [name for name in ("jackd", "fluidsynth") if shutil.which(name) is None]
        missing += [] if SOUNDFONT.exists() else ["FluidR3_GM.sf2"]
    if item.get_closest_marker("tensorflow") and importlib.util.find_spec("tensorflow") is None:
        missing.append("tensorflow")
    if missing:
        reason = f"not on this machine: {', '.join(missing)}"
        # A person may lack a server; CI may not.
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
