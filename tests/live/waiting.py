"""How a test waits for what must come."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from improv.clock import now

PATIENCE = 20.0  # seconds: how long a test waits for what must come; nothing is measured by it


def wait_until(condition: Callable[[], Any], what: str, timeout: float = PATIENCE) -> Any:
    """Return the first true value of `condition`, looked at often; fail after `timeout` seconds."""
    deadline = now() + timeout
    while not (value := condition()):
        if now() > deadline:
            pytest.fail(f"waited {timeout:.0f} s for {what}")
        time.sleep(0.005)
    return value
