"""The commands of the offline side: train, corpus, evaluate, generate. Each imports what does its work when called."""

import logging
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import typer

from improv.errors import CorpusError, ImprovError, UsageError
from improv.supervisor import ONE_THREAD

offline = typer.Typer()

# The first is that of improv[train].
_BACKENDS = ("tensorflow", "jax")


@offline.command()
def train(
    corpora: Annotated[list[Path], typer.Argument(metavar="CORPUS…", help="Folders, zip or tar archives of MIDI.")],
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
    """Train a network on corpora of MIDI files (needs the extra `train`)."""
    from improv.predict.weights import NETWORKS

    if network not in NETWORKS:
        raise UsageError(f"unknown network {network!r} (known: {', '.join(sorted(NETWORKS))})")
    if out.is_dir():
        raise UsageError(f"--out {out}: a folder; name the model file to write, {out / 'mine.safetensors'} for example")
    if (backend := os.environ.get("KERAS_BACKEND", "tensorflow")) not in _BACKENDS:
        raise UsageError(f"KERAS_BACKEND={backend}: the networks train on {' or '.join(_BACKENDS)}")

    def say(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    try:
        from improv.train.device import prepare
        from improv.train.going_on import base_of
        from improv.train.progress import watched

        base = base_of(start, network)
        _find_all(corpora)
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
        remedy = "install it beside improv[train]" if error.name in _BACKENDS[1:] else "install improv[train]"
        raise ImprovError(f"training needs {error.name}; {remedy}") from error


def _find_all(corpora: list[Path]) -> None:
    """Raise CorpusError if one is not there: better to hear now than when TensorFlow has been loaded."""
    for corpus in corpora:
        if not corpus.exists():
            raise CorpusError(f"{corpus}: no such file or folder")


@offline.command()
def generate(
    prompt: Annotated[
        Path | None,
        typer.Argument(metavar="PROMPT", help="A MIDI file or a session (.jsonl); else a recording of ours."),
    ] = None,
    model: Annotated[str, typer.Option(metavar="NAME-or-FILE", help="The network that goes on.")] = "lstm",
    style: Annotated[str | None, typer.Option(metavar="NAME", help="One of the model's styles.")] = None,
    prompt_notes: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="How many of its first notes it goes on from; else a window.")
    ] = None,
    notes: Annotated[int | None, typer.Option(min=1, max=10_000, help="How long it goes on; else 120 notes.")] = None,
    seconds: Annotated[float | None, typer.Option(min=0.1, max=600, help="Or so long.")] = None,
    temperature: Annotated[float, typer.Option(min=0.05, max=4, help="How daring it plays.")] = 1.0,
    top_p: Annotated[float, typer.Option(min=0.05, max=1, help="The likeliest share that is drawn from.")] = 0.95,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1)] = 42,
    out: Annotated[Path, typer.Option(metavar="FILE.mid", help="Its picture goes beside it.")] = Path("generated.mid"),
    no_prompt: Annotated[bool, typer.Option("--no-prompt", help="Leave out what it goes on from.")] = False,
) -> None:
    """Go on from the beginning of a MIDI file or a session: a MIDI file and a picture."""
    # Before numpy is loaded: on several threads, one note at a time takes longer, ten times so beside other work.
    os.environ |= ONE_THREAD | os.environ
    from improv import generate as work

    png = out.with_suffix(".png")
    if out.suffix.lower() not in {".mid", ".midi"}:
        raise UsageError(f"--out {out}: a MIDI file ends in .mid")
    if prompt is not None and prompt.resolve() == out.resolve():
        raise UsageError(f"--out {out}: that is the prompt")
    piece = work.generate(
        work.Wish(prompt, model, style, prompt_notes, notes, seconds, temperature, top_p, seed),
    )
    work.write(piece.without_prompt() if no_prompt else piece, out, png)
    print(f"{out}: {len(piece.continuation)} notes of {piece.model}, after {len(piece.prompt)} of {piece.source}")
    print(f"picture: {png}")


@offline.command()
def plot(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE…", help="MIDI files, sessions, or a training's history.")
    ],
    kind: Annotated[
        Literal["roll", "distributions", "loss"] | None,
        typer.Option(help="A piano roll (loss, of a history); or what occurs how often, all files in one."),
    ] = None,
    first: Annotated[int | None, typer.Option(min=1, metavar="N", help="Only the first N notes of a file.")] = None,
    out: Annotated[Path | None, typer.Option(metavar="PNG", help="Else FILE.roll.png and so on.")] = None,
) -> None:
    """Draw what is in a MIDI file or a session (.jsonl), or how a training went (.history.csv)."""
    from improv import plot as work

    if out is not None and out.suffix.lower() != ".png":
        raise UsageError(f"--out {out}: a picture ends in .png")
    if out is not None and len(files) > 1 and kind != "distributions":
        raise UsageError(f"--out {out}: {len(files)} files are {len(files)} pictures (but of distributions)")
    for folder in filter(Path.is_dir, files):
        raise UsageError(f"{folder}: a folder; name the files to draw")
    for file in files[:1] if kind == "distributions" else files:
        chosen = kind or work.kind_of(file)
        png = out or file.with_suffix(f".{chosen}.png")
        if chosen == "loss":
            work.draw_loss(file, png)
        elif chosen == "roll":
            work.draw_roll(file, first, png)
        else:
            work.draw_distributions(files, first, png)
        print(f"picture: {png}")


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


@offline.command()
def evaluate(
    models: Annotated[list[str], typer.Argument(metavar="MODEL…", help="Names of shipped models, or model files.")],
    corpora: Annotated[list[Path], typer.Option("--corpus", metavar="C", help="What to compare on; may be repeated.")],
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Write evaluation.json and pictures here.")] = None,
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the figures as JSON, too.")] = None,
    files: Annotated[int | None, typer.Option(min=1, help="Only so many held-out files of each corpus.")] = None,
    memory: Annotated[
        bool, typer.Option("--memory", help="Instead: what the memory of the player brings to the first model.")
    ] = False,
    candidates: Annotated[
        bool, typer.Option("--candidates", help="Instead: what it brings to play the best of several answers.")
    ] = False,
    training: Annotated[
        bool, typer.Option("--training", help="With --candidates: on the files to train on, where scores are made.")
    ] = False,
    quick: Annotated[bool, typer.Option("--quick", help="A first look: 12 files, few prompts.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the tables in Markdown.")] = False,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1)] = 42,
) -> None:
    """Compare models, and the floors, on held-out music (needs the extra `train`)."""

    def report(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    if candidates and (out is not None or files is not None):
        raise UsageError("--candidates: prints tables, of calls from all files; --json takes the figures")
    if training and not candidates:
        raise UsageError("--training: only with --candidates; models are compared on held-out files")
    # Products of a few rows are slower on several threads than on one; told before numpy is loaded.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # Its graphs are made anew for each length on purpose.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    _find_all(corpora)
    try:
        from improv.train.device import prepare as load_keras

        load_keras()
        from improv.train.evaluate import Plan
        from improv.train.evaluate import evaluate as compare
        from improv.train.evaluation_report import keep, prepare, sheets, show
    except ImportError as error:
        raise ImprovError(f"evaluating needs {error.name}; install improv[train]") from error

    prepare(out, json)
    if memory:
        from improv.train.memory_gain import MemoryPlan
        from improv.train.memory_report import measure

        if len(models) > 1:
            raise UsageError("--memory: of one model at a time")
        kept = [file for file in (json, out and out / "memory.json") if file is not None]
        held_out = files or (12 if quick else None)
        measure(MemoryPlan(models[0], tuple(corpora), held_out, seed=seed), report, kept, as_markdown=markdown)
        return
    if candidates:
        from improv.train.choices import ChoicePlan
        from improv.train.choices_report import choose

        split = "train" if training else "validation"
        choose(
            ChoicePlan(tuple(models), tuple(corpora), split, 12 if quick else 80, seed),
            report,
            json,
            as_markdown=markdown,
        )
        return
    plan = Plan(tuple(models), tuple(corpora), files, seed=seed)
    if quick:
        plan = replace(plan, files=files or 12, windows=300, prompts=24)
    done = []
    for evaluation in compare(plan, report):
        done.append(evaluation)
        show(sheets(evaluation), as_markdown=markdown)
        for file in keep(done, plan, out, json):
            report(f"wrote {file}")
