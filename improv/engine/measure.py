"""How long an engine takes to answer a typical phrase."""

from collections.abc import Mapping
from statistics import median

from improv import clock
from improv.events import Note
from improv.listen.phrase import Call
from improv.play.planner import Brief, compose
from improv.predict.engine import Engine, Taste

_SEED = 1
_STEP_S = 0.2


def typical(window: int, revision: int = 1) -> tuple[list[Note], Brief]:
    """Return a window of a plain melody, and what its answer is to be: 4 s long."""
    heard = [Note(60 + at * 5 % 12, 80, at * _STEP_S, 0.18) for at in range(window)]
    call = Call(1, 0.0, heard[-1].onset + 0.18, window, (80,) * window)
    return heard, Brief(call, 4.0, Taste().after(0.6), 8, _SEED, revision)


def phrase_ms(engines: Mapping[str, Engine], rounds: int = 5) -> dict[str, float]:
    """Return the median time (ms) that each engine takes for a phrase; the first phrase of each, unmeasured, warms it.

    They answer in turn, so that a busy moment hits them all.
    """
    taken: dict[str, list[float]] = {name: [] for name in engines}
    for at in range(rounds + 1):
        for name, engine in engines.items():
            heard, brief = typical(engine.info.window, revision=1 + at)
            before = clock.now()
            for _ in compose(engine, heard, brief):
                pass
            taken[name].append(1000 * (clock.now() - before))
    return {name: median(times[1:]) for name, times in taken.items()}
