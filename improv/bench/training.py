"""How fast the networks train on this machine: notes foreseen and learned from, a second."""

from collections.abc import Callable, Iterator
from pathlib import Path

from improv.bench.figures import Limit, Row, judged, not_run, spread
from improv.bench.worker import NotThereError, Worker
from improv.errors import CorpusError

ROUNDS = 5
# What a block takes, roughly; the first blocks tell how many batches that is.
_BLOCK_S = 4.0
_TUTORIAL, _FLAGSHIP = "tutorial", "lstm"
_BATCH = {_TUTORIAL: 64}
_SEQUENCES = 32 * 160


def measure(folder: Path, say: Callable[[str], None], rounds: int = ROUNDS) -> Iterator[Row]:
    """Yield a row a network, and what the flagship makes of the tutorial's speed; in alternating blocks of one process.

    Raises CorpusError without music in `folder`.
    """
    if not folder.exists():
        raise CorpusError(f"{folder}: no such file or folder")
    # As many threads as a training has.
    with Worker("improv.bench.worker_training", environment={}) as worker:
        say("training: compiling")
        try:
            started = worker.ask("start", folder=str(folder.resolve()))
        except NotThereError as error:
            yield not_run("training speed", str(error))
            return
        sizes: dict[str, int] = started["sizes"]
        batches = dict.fromkeys(sizes, 20)
        paces: dict[str, list[float]] = {name: [] for name in sizes}
        for number in range(rounds + 1):
            say(f"training: round {number} of {rounds}" if number else "training: warming up")
            for name in sizes:
                pace = worker.ask("block", network=name, batches=batches[name])
                if number:
                    paces[name].append(pace)
                else:
                    batches[name] = max(2, round(pace * _BLOCK_S / _BATCH.get(name, _SEQUENCES)))
    yield from rows(sizes, paces, started["device"])


def rows(sizes: dict[str, int], paces: dict[str, list[float]], device: str) -> Iterator[Row]:
    """Yield the rows of what was measured: parameters of each network, and its notes a second in each round."""
    for name, size in sizes.items():
        label = "one label per window of 25 notes" if name == _TUTORIAL else "every note of a sequence a label"
        yield Row(f"training `{name}`, {size:,} parameters: {label}", "notes/s", spread(paces[name]), note=device)
    times = [ours / theirs for ours, theirs in zip(paces[_FLAGSHIP], paces[_TUTORIAL], strict=True)]
    yield judged(
        Row(
            f"training speed of `{_FLAGSHIP}` against `{_TUTORIAL}`, compiled,"
            f" with {sizes[_FLAGSHIP] / sizes[_TUTORIAL]:.1f} times its parameters",
            "times",
            spread(times),
            limits=(Limit("p50", 2, least=True),),
        )
    )
