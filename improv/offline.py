"""The commands of the offline side: train, corpus, evaluate, generate. Each imports what does its work when called."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from improv.errors import ImprovError

offline = typer.Typer()


@offline.command()
def train(
    corpora: Annotated[list[Path], typer.Argument(metavar="CORPUS…", help="Folders, zip or tar archives of MIDI.")],
    network: Annotated[str, typer.Option(metavar="NAME", help="lstm or tutorial.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="The model file to write.")],
    epochs: Annotated[int, typer.Option(min=1, help="Of tutorial.")] = 50,
    windows: Annotated[int, typer.Option(min=1, help="Of tutorial: windows drawn afresh for each epoch.")] = 200_000,
    batch: Annotated[int | None, typer.Option(min=1, help="Windows, or sequences; else 64 or 32.")] = None,
    notes: Annotated[int, typer.Option(min=1, help="Of lstm: how many to train on in all.")] = 15_000_000,
    checkpoint: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Of lstm: what an interrupted training goes on from.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1)] = 42,
) -> None:
    """Train a network on corpora of MIDI files (needs the extra `train`)."""

    def report(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    try:
        if network == "lstm":
            from improv.train.sequence_fit import SequencePlan, fit_sequences

            fit_sequences(SequencePlan(tuple(corpora), out, notes, batch or 32, seed, checkpoint=checkpoint), report)
        else:
            from improv.train.fit import Plan, fit

            fit(Plan(tuple(corpora), network, out, epochs, windows, batch or 64, seed), report)
    except ImportError as error:
        raise ImprovError(f"training needs {error.name}; install improv[train]") from error


@offline.command()
def corpus(
    corpora: Annotated[list[Path], typer.Argument(metavar="CORPUS…", help="Folders, zip or tar archives of MIDI.")],
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Draw a picture of each here.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write everything here too.")] = None,
) -> None:
    """Say what is in corpora: sizes, distributions, what is left out, what is on both sides of the split."""
    from rich.console import Console

    from improv.train.corpus_plot import draw
    from improv.train.report import examine, render, write

    try:
        report = examine(corpora)
    except ImportError as error:
        raise ImprovError(f"reading corpora needs {error.name}; install improv[train]") from error
    screen = Console(width=None if sys.stdout.isatty() else 120)
    for part in render(report):
        screen.print(part, markup=False, highlight=False, soft_wrap=isinstance(part, str))
    if json_file is not None:
        write(report, json_file)
    for number, each in enumerate(report.corpora if out else (), start=1):
        others = [other.name for other in report.corpora]
        png = Path(out or "", f"{each.name}.png" if others.count(each.name) == 1 else f"{each.name}-{number}.png")
        draw(each, png)
        print(f"picture: {png}", file=sys.stderr)
