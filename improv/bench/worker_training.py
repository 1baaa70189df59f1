"""Worker: how fast the networks train, each by its own loop on its own batches, as `improv train` does."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from improv.bench.worker import Task, serve

if TYPE_CHECKING:
    from improv.train.corpus import Corpus

# Batches until everything is compiled.
_WARM_UP = 3
_NOWHERE = Path("nowhere.safetensors")

# From a number of batches to notes a second.
Block = Callable[[int], float]


def tasks() -> Mapping[str, Task]:
    """Return what can be asked: `start` with a folder of music, then any `block`. Raises ImportError."""
    from improv.train.device import prepare

    device = prepare()
    blocks: dict[str, Block] = {}

    def start(folder: str) -> dict[str, object]:
        from improv.train.corpus import read
        from improv.train.networks import NETWORKS

        corpora = [read(Path(folder))]
        sizes = {}
        for name, row in NETWORKS.items():
            network, blocks[name] = (_sequences if row.sequences else _windows)(name, corpora)
            sizes[name] = network.count_params()
            blocks[name](_WARM_UP)
        return {"device": device, "sizes": sizes}

    return {"start": start, "block": lambda network, batches: blocks[network](batches)}


def _sequences(name: str, corpora: Sequence["Corpus"]) -> tuple[Any, Block]:
    from improv.train.networks import NETWORKS
    from improv.train.plans import SequencePlan
    from improv.train.sequence_fit import sequences_of, train_batch

    plan = SequencePlan((), _NOWHERE, network=name)
    music = sequences_of(plan, corpora)
    network = NETWORKS[name].build(plan.units, len(corpora), plan.length)
    done = 0

    def block(batches: int) -> float:
        nonlocal done
        began = perf_counter()
        for _ in range(batches):
            train_batch(network, music, plan, done)
            done += 1
        return batches * plan.batch * plan.length / (perf_counter() - began)

    return network, block


def _windows(name: str, corpora: Sequence["Corpus"]) -> tuple[Any, Block]:
    import keras

    from improv.train.corpus import TRAIN
    from improv.train.dataset import windows
    from improv.train.fit import Epochs
    from improv.train.networks import NETWORKS, WINDOW
    from improv.train.plans import Plan

    plan = Plan((), name, _NOWHERE)
    music = windows(corpora, TRAIN, WINDOW)
    network = NETWORKS[name].build(plan.units, 0, WINDOW)

    def block(batches: int) -> float:
        # An epoch begins once in 3,125 batches: what that costs is left out here.
        ends: list[float] = []
        note = keras.callbacks.LambdaCallback(on_train_batch_end=lambda _batch, _logs: ends.append(perf_counter()))
        epoch = Epochs(music, batches * plan.batch, plan.batch, plan.seed)
        network.fit(epoch, epochs=1, shuffle=False, verbose=0, callbacks=[note])
        return (batches - 1) * plan.batch / (ends[-1] - ends[0])

    return network, block


if __name__ == "__main__":
    serve(tasks)
