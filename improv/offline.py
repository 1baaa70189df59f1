"""The commands of the offline side: train, evaluate, generate. Each imports what does its work when called."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from improv.errors import CorpusError, ImprovError, UsageError

offline = typer.Typer()


@offline.command()
def train(
    corpora: Annotated[list[Path], typer.Argument(metavar="CORPUS…", help="Folders of MIDI files.")],
    network: Annotated[str, typer.Option(metavar="NAME", help="lstm, conv, wavenet or tutorial.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="The model file to write.")],
    epochs: Annotated[int, typer.Option(min=1, help="Of tutorial.")] = 50,
    windows: Annotated[int, typer.Option(min=1, help="Of tutorial: windows drawn afresh for each epoch.")] = 200_000,
    batch: Annotated[int | None, typer.Option(min=1, help="Windows, or sequences; else 64 or 32.")] = None,
    notes: Annotated[int, typer.Option(min=1, help="How many to train on in all (not tutorial).")] = 15_000_000,
    checkpoint: Annotated[
        Path | None, typer.Option(metavar="FILE", help="What an interrupted training goes on from.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1)] = 42,
    start: Annotated[
        str | None, typer.Option("--from", metavar="MODEL", help="Go on from this model's weights (a name or a file).")
    ] = None,
    rate: Annotated[
        float | None, typer.Option(min=1e-7, max=1.0, help="The highest learning rate; lower by default with --from.")
    ] = None,
) -> None:
    """Train a network on folders of MIDI files (needs the extra `train`)."""
    from improv.predict.weights import NETWORKS

    if network not in NETWORKS:
        raise UsageError(f"unknown network {network!r} (known: {', '.join(sorted(NETWORKS))})")

    def say(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    try:
        from improv.train.device import prepare
        from improv.train.going_on import base_of
        from improv.train.progress import watched

        base = base_of(start, network)
        # Better to hear now than when TensorFlow has been loaded.
        if missing := [folder for folder in corpora if not folder.exists()]:
            raise CorpusError(f"{missing[0]}: no such file or folder")
        with watched(say, terminal=sys.stderr.isatty()) as (report, bar):
            report(f"training on {prepare()}")
            from improv.train.plans import Plan, SequencePlan

            folders = tuple(corpora)
            if network == "tutorial":
                from improv.train.fit import fit

                tutorial = Plan(
                    folders,
                    network,
                    out,
                    epochs,
                    windows,
                    batch or 64,
                    seed,
                    checkpoint=checkpoint,
                    base=base,
                    rate=rate,
                )
                fit(tutorial, report, bar)
            else:
                from improv.train.sequence_fit import fit_sequences

                plan = SequencePlan(
                    folders, out, notes, batch or 32, seed, checkpoint=checkpoint, network=network, base=base, rate=rate
                )
                fit_sequences(plan, report, bar)
    except ImportError as error:
        raise ImprovError(f"training needs {error.name}; install improv[train]") from error
