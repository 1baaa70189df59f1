"""The commands of the offline side: train, evaluate, generate. Each imports what does its work when called."""

import logging
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from improv.errors import ImprovError

offline = typer.Typer()


@offline.command()
def train(
    corpora: Annotated[list[Path], typer.Argument(metavar="CORPUS…", help="Folders of MIDI files.")],
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
    """Train a network on folders of MIDI files (needs the extra `train`)."""

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
def evaluate(
    models: Annotated[list[str], typer.Argument(metavar="MODEL…", help="Names of shipped models, or model files.")],
    corpora: Annotated[list[Path], typer.Option("--corpus", metavar="C", help="What to compare on; may be repeated.")],
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Write evaluation.json and pictures here.")] = None,
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the figures as JSON, too.")] = None,
    files: Annotated[int | None, typer.Option(min=1, help="Only so many held-out files of each corpus.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A first look: 12 files, few prompts.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the tables in Markdown.")] = False,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1)] = 42,
) -> None:
    """Compare models, and the floors, on held-out music (needs the extra `train`)."""

    def report(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    # Products of a few rows are slower on several threads than on one; told before numpy is loaded.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # Its graphs are made anew for each length on purpose.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    try:
        from improv.train.evaluate import Plan
        from improv.train.evaluate import evaluate as compare
        from improv.train.evaluation_report import keep, markdown_of, prepare, show
    except ImportError as error:
        raise ImprovError(f"evaluating needs {error.name}; install improv[train]") from error

    plan = Plan(tuple(models), tuple(corpora), files, seed=seed)
    if quick:
        plan = replace(plan, files=files or 12, windows=300, prompts=24)
    prepare(out, json)
    done = []
    for evaluation in compare(plan, report):
        done.append(evaluation)
        if markdown:
            print(markdown_of(evaluation), flush=True)
        else:
            show(evaluation)
        for file in keep(done, plan, out, json):
            report(f"wrote {file}")
