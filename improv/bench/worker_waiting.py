"""Worker: send notes at their times in three ways, and record how late each was (ms).

`bare`: a process that does nothing else, with the deadline loop that `ports` has. `asyncio` and `thread`: timers in the
process that computes, as one would write it without a ports process.
"""

import asyncio
import gc
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from itertools import count as count_up
from typing import TYPE_CHECKING

from improv.bench.worker import Task, serve
from improv.clock import now
from improv.events import NoteOff, NoteOn

if TYPE_CHECKING:
    from improv.musician import Musician

_LEAD_S = 0.1
_KEY_S = 0.005
_STEP_S = 0.05
# What `ports` gives its own threads.
_SWITCH_INTERVAL_S = 0.0005


def dues(count: int, period: float) -> list[float]:
    """Return the times (seconds) of `count` notes, from soon on."""
    start = now() + _LEAD_S
    return [start + place * period for place in range(count)]


def wait_for_each(times: Sequence[float]) -> list[float]:
    """Wait on a lock for each of `times`; return how late (ms) it was."""
    lock = threading.Lock()
    lock.acquire()
    late = []
    for due in times:
        wait = due - now()
        if wait > 0:
            lock.acquire(timeout=wait)
        late.append((now() - due) * 1000)
    return late


def musician() -> "Musician":
    """Return a musician like the brain's."""
    from improv.daemon import load_engine
    from improv.musician import Manner, Musician
    from improv.settings import Settings

    return Musician(load_engine("tutorial"), Manner.of(Settings()), seed=1)


async def think(brain: "Musician", over: Callable[[], bool]) -> None:
    """Compute flat out, as the brain does for somebody who never stops playing."""
    for place in count_up():
        at = now()
        pitch = 60 + place * 5 % 12
        brain.feed(at, "bench", NoteOn(pitch, 80))
        brain.feed(at + _KEY_S, "bench", NoteOff(pitch))
        cue = brain.cue(at)
        question = None if cue is None else brain.ask(cue, None)
        for _ in brain.thinking(question) if question is not None else ():
            await asyncio.sleep(0)
            if over():
                return
            if now() > at + _STEP_S:
                break


async def by_timers(brain: "Musician", count: int, period: float) -> list[float]:
    """Send by the event loop's own timers."""
    loop = asyncio.get_running_loop()
    late: list[float] = []
    times = dues(count, period)
    ahead = loop.time() - now()

    def send(place: int) -> None:
        late.append((now() - times[place]) * 1000)
        if place + 1 < count:
            loop.call_at(times[place + 1] + ahead, send, place + 1)

    loop.call_at(times[0] + ahead, send, 0)
    await think(brain, lambda: len(late) == count)
    return late


def by_a_thread(brain: "Musician", count: int, period: float) -> list[float]:
    """Send from a thread beside the event loop."""
    late: list[float] = []
    thread = threading.Thread(target=lambda: late.extend(wait_for_each(dues(count, period))))
    before = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    thread.start()
    asyncio.run(think(brain, lambda: not thread.is_alive()))
    thread.join()
    sys.setswitchinterval(before)
    return late


def tasks() -> Mapping[str, Task]:
    """Return what can be asked: each (count, period) -> list of ms."""
    gc.collect()
    gc.freeze()
    return {
        "bare": lambda count, period: wait_for_each(dues(count, period)),
        "asyncio": lambda count, period: asyncio.run(by_timers(musician(), count, period)),
        "thread": lambda count, period: by_a_thread(musician(), count, period),
    }


if __name__ == "__main__":
    serve(tasks)
