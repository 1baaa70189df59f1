"""The one clock: seconds, monotonic, shared by all processes of a machine."""

from collections.abc import Callable
from time import perf_counter

Clock = Callable[[], float]

# Not time.monotonic: it ticks at 15.6 ms on Windows before Python 3.13.
now: Clock = perf_counter
