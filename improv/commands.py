"""The commands: options in, exit code out. Each imports what does its work when it is called."""

import json
import os
import secrets
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Annotated

import typer

from improv import config
from improv.errors import ImprovError, PortError
from improv.settings import Settings
from improv.supervisor import Supervisor

Dial = tuple[str, bytes]
"""Where the ports process listens, and the key that it asks for."""

app = typer.Typer(
    help="A musician that sits in: plug in a keyboard and play; improv listens, thinks ahead, and answers in time.",
    epilog="Without a command: jam.",
    context_settings={"help_option_names": ["-h", "--help"]},
    no_args_is_help=False,
    pretty_exceptions_enable=False,
)

ConfigFile = Annotated[Path | None, typer.Option("--config", metavar="FILE", help="Settings; else ./config.yaml.")]
Inputs = Annotated[
    list[str] | None, typer.Option("--in", metavar="NAME", help="Listen to this port (part of a name); repeatable.")
]
Output = Annotated[str | None, typer.Option("--out", metavar="NAME", help="Play on this port (part of a name).")]
Virtual = Annotated[
    bool | None, typer.Option("--virtual/--no-virtual", help="Make ports that other programs connect to.")
]
Backend = Annotated[
    str | None, typer.Option(metavar="SYSTEM", help="MIDI system: auto, alsa, jack, coremidi, winmm, none.")
]
Model = Annotated[str | None, typer.Option(metavar="NAME-or-FILE", help="The network that answers.")]
Engine = Annotated[str | None, typer.Option(metavar="ENGINE", help="auto or numpy.")]
Seed = Annotated[int | None, typer.Option(metavar="N", help="The same seed and playing give the same answers.")]
Record = Annotated[str | None, typer.Option(metavar="DIR", help="Keep the session's journal here.")]
NoRecord = Annotated[bool, typer.Option("--no-record", help="Keep no journal.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say only what goes wrong.")]


@app.callback(invoke_without_command=True)
def about(*, version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False) -> None:
    """Say what can be said without a command."""
    if version:
        from importlib.metadata import version as installed

        print(f"improv {installed('improv')}")


@app.command()
def jam(
    ctx: typer.Context,
    config_file: ConfigFile = None,
    inputs: Inputs = None,
    output: Output = None,
    virtual: Virtual = None,
    backend: Backend = None,
    model: Model = None,
    engine: Engine = None,
    seed: Seed = None,
    record: Record = None,
    no_record: NoRecord = False,
    quiet: Quiet = False,
) -> None:
    """Listen, and answer, until Ctrl-C."""
    overrides: dict[str, object] = {
        "--in": inputs or None,
        "--out": output,
        "--virtual": virtual,
        "--backend": backend,
        "--model": model,
        "--engine": engine,
        "--seed": seed,
        "--record": record,
        "--no-record": False if no_record else record and True,
    }
    settings = config.load(config_file, _given(overrides))
    journal = None
    if settings.session.record:
        from improv.sessions.journal import reserve

        journal = reserve(Path(settings.session.folder).expanduser())
    raise typer.Exit(_play(ctx.obj, settings, journal, quiet=quiet))


def _given(overrides: dict[str, object]) -> dict[str, object]:
    return {option: value for option, value in overrides.items() if value is not None}


def _play(
    supervisor: Supervisor,
    settings: Settings,
    journal: Path | None,
    *,
    quiet: bool,
    on_ready: Callable[[Dial], None] = lambda _dial: None,
) -> int:
    """Run a jam until it ends; return the exit code. `on_ready` must not block."""
    from improv.ports.spec import Spec as PortsSpec
    from improv.runtime import Runtime
    from improv.spec import Spec as BrainSpec

    seed = secrets.randbits(32) if settings.model.seed is None else settings.model.seed
    authkey = secrets.token_bytes(32)
    epochs = count(1)
    with Runtime(_lock_key(settings)) as runtime:
        ports = PortsSpec.of(settings.ports, settings.barge_in, runtime.address, authkey, runtime.memory)
        brain = BrainSpec(settings, seed, runtime.address, authkey, journal, quiet=quiet)

        def ports_line(_again: bool) -> bytes:
            runtime.free_address()
            return replace(ports, epoch=next(epochs)).to_line()

        return supervisor.run(
            ports_line,
            lambda again: replace(brain, restore=again).to_line(),
            lambda: on_ready((runtime.address, authkey)),
        )


def _lock_key(settings: Settings) -> str | None:
    """Name what only one jam at a time can have: ports of one name in one MIDI system."""
    from improv.ports.midi import resolve

    system = resolve(settings.ports.backend)
    if system == "none":
        return None
    server = os.environ.get("JACK_DEFAULT_SERVER", "") if system == "jack" else ""
    return "-".join(filter(None, (settings.ports.name, system, server)))


@app.command()
def ports(
    backend: Backend = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """List the MIDI ports."""
    from improv.doctor import quiet_libraries
    from improv.ports.midi import list_ports, resolve

    settings = config.check(config.find(), _given({"--backend": backend}))
    system = resolve(settings.ports.backend)
    if system == "none":
        raise PortError("no MIDI system is chosen (ports.backend is none)")
    with quiet_libraries():
        inputs, outputs = list_ports(system)
    if as_json:
        print(json.dumps({"backend": system, "inputs": inputs, "outputs": outputs}))
        return
    print(f"MIDI system: {system}")
    for title, names in (("listen to (--in)", inputs), ("play on (--out)", outputs)):
        print(f"{title}:")
        print("\n".join(f"  {name}" for name in names) or "  none")


@app.command()
def doctor(
    config_file: ConfigFile = None,
    backend: Backend = None,
    model: Model = None,
    loopback: Annotated[
        bool, typer.Option("--loopback", help="Send an audible note out and measure it coming back in.")
    ] = False,
) -> None:
    """Check whether this machine can jam, in plain words."""
    from improv.doctor import examine, measure_loopback

    settings = config.load(config_file, _given({"--backend": backend, "--model": model}))
    findings = measure_loopback(settings) if loopback else examine(settings)
    well = True
    for finding in findings:
        print(f"{'✓' if finding.well else '✗'} {finding.text}")
        if not finding.well and finding.remedy:
            print(f"    {finding.remedy}")
        well &= finding.well or not finding.needed
    if not loopback:
        print("This machine can jam." if well else "A jam could not start here: see what is marked ✗.")
    if not well:
        raise typer.Exit(1)


@app.command()
def train(
    corpora: Annotated[list[Path], typer.Argument(metavar="CORPUS…", help="Folders of MIDI files.")],
    network: Annotated[str, typer.Option(metavar="NAME", help="tutorial.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="The model file to write.")],
    epochs: Annotated[int, typer.Option(min=1)] = 50,
    windows: Annotated[int, typer.Option(min=1, help="Windows drawn afresh for each epoch.")] = 200_000,
    batch: Annotated[int, typer.Option(min=1)] = 64,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1)] = 42,
) -> None:
    """Train a network on folders of MIDI files (needs the extra `train`)."""
    try:
        from improv.train.fit import Plan, fit
    except ImportError as error:
        raise ImprovError(f"training needs {error.name}; install improv[train]") from error
    fit(Plan(tuple(corpora), network, out, epochs, windows, batch, seed), lambda line: print(line, file=sys.stderr))
