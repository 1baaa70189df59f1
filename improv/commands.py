"""The commands: options in, exit code out. Each imports what does its work when it is called."""

import json
import secrets
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from threading import Thread
from typing import Annotated

import typer

from improv import __version__, config
from improv.errors import ImprovError, PortError, SessionError, UsageError
from improv.offline import offline
from improv.settings import Settings
from improv.supervisor import Supervisor

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
Engine = Annotated[str | None, typer.Option(metavar="ENGINE", help="auto, numpy, keras (TensorFlow) or gpu.")]
Style = Annotated[str | None, typer.Option(metavar="NAME", help="Play in this style, one of the model's.")]
Mode = Annotated[str | None, typer.Option(metavar="MODE", help="answer, duet, trade, solo or listen.")]
Key = Annotated[str | None, typer.Option(metavar="KEY", help='The key, such as "A minor"; auto or none.')]
Tempo = Annotated[str | None, typer.Option(metavar="SOURCE", help="The beat: auto, clock, internal, playing or free.")]
Bpm = Annotated[float | None, typer.Option(metavar="N", help="Beats a minute, with --tempo internal.")]
Player = Annotated[
    str | None, typer.Option(metavar="NAME", help="Remember this player's playing, for the next time too.")
]
Seed = Annotated[int | None, typer.Option(metavar="N", help="The same seed and playing give the same answers.")]
Record = Annotated[str | None, typer.Option(metavar="DIR", help="Keep the session's journal here.")]
NoRecord = Annotated[bool, typer.Option("--no-record", help="Keep no journal.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say only what goes wrong.")]


@app.callback(invoke_without_command=True)
def about(*, version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False) -> None:
    """Say what can be said without a command."""
    if version:
        print(f"improv {__version__}")


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
    style: Style = None,
    mode: Mode = None,
    key: Key = None,
    tempo: Tempo = None,
    bpm: Bpm = None,
    player: Player = None,
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
        "--style": style,
        "--mode": mode,
        "--key": key,
        "--tempo": tempo,
        "--bpm": bpm,
        "--player": player,
        "--seed": seed,
        "--record": record,
        "--no-record": False if no_record else record and True,
    }
    chosen = _chosen(config_file, overrides)
    settings = chosen.settings
    if not settings.session.record:
        raise typer.Exit(_play(ctx.obj, chosen, None, quiet=quiet, on_ready=lambda _address, _authkey: None))
    from improv.console import Console
    from improv.sessions.journal import reserve

    folder = Path(settings.session.folder).expanduser()
    journal = reserve(folder)

    def on_ready(_address: str, _authkey: bytes) -> None:
        Thread(target=_export_others, args=(folder, journal), name="export", daemon=True).start()

    try:
        code = _play(ctx.obj, chosen, journal, quiet=quiet, on_ready=on_ready)
    finally:
        with suppress(OSError):
            if not journal.stat().st_size:
                journal.unlink()  # it never began
    if journal.exists():
        Console(quiet=quiet).say(f"session: {_export(journal)}")
    raise typer.Exit(code)


@app.command()
def demo(
    ctx: typer.Context,
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE.mid", help="Who plays; else a recording of ours.")
    ] = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the session goes.")] = Path("demo"),
    seconds: Annotated[float, typer.Option(min=1, metavar="N", help="How long the session is, about.")] = 60.0,
    config_file: ConfigFile = None,
    inputs: Inputs = None,
    virtual: Virtual = None,
    backend: Backend = "none",
    model: Model = None,
    engine: Engine = None,
    style: Style = None,
    mode: Mode = None,
    key: Key = None,
    tempo: Tempo = None,
    bpm: Bpm = None,
    player: Player = None,
    seed: Seed = None,
    quiet: Quiet = False,
) -> None:
    """Answer a recorded performance, in real time; no MIDI is needed (--backend to hear it through a port)."""
    from improv.console import Console
    from improv.demo import perform, rehearse
    from improv.sessions.performance import DEMO
    from improv.sessions.roll import draw

    overrides: dict[str, object] = {
        "--in": inputs or None,
        "--virtual": virtual,
        "--backend": backend,
        "--model": model,
        "--engine": engine,
        "--style": style,
        "--mode": mode,
        "--key": key,
        "--tempo": tempo,
        "--bpm": bpm,
        "--player": player,
        "--seed": seed,
    }
    chosen = _chosen(config_file, overrides)
    part = rehearse(file or DEMO, seconds)
    journal = _fresh(out, "session.jsonl", "session.mid", "roll.png")
    supervisor: Supervisor = ctx.obj

    def on_ready(address: str, authkey: bytes) -> None:
        perform(part, address, authkey, supervisor.stop)

    code = _play(supervisor, chosen, journal, quiet=quiet, on_ready=on_ready)
    console = Console(quiet=quiet)
    kept = _export(journal)
    console.say(f"session: {kept}")
    if kept != journal:
        draw(journal, out / "roll.png")
        console.say(f"picture: {out / 'roll.png'}")
    raise typer.Exit(code)


def _export(journal: Path) -> Path:
    """Write a journal's music beside it; return the MIDI file, or the journal where there is no music."""
    from improv.sessions.export import export

    try:
        export(journal, journal.with_suffix(".mid"))
    except SessionError:
        return journal
    return journal.with_suffix(".mid")


def _export_others(folder: Path, journal: Path) -> None:
    """Export the jams in `folder` that did not end well; not that of `journal`, which goes on."""
    from improv.sessions.export import unexported

    for path in unexported(folder):
        if path != journal:
            _export(path)


def _fresh(folder: Path, *names: str) -> Path:
    """Make `folder`, without the files of these names; return the path of the first. Raises ImprovError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in names:
            (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise ImprovError(f"{folder}: {error.strerror}") from error
    return folder / names[0]


@dataclass(frozen=True, slots=True)
class _Chosen:
    """The settings of a jam, and where they come from: the file that may be edited, its stamp, and the options."""

    settings: Settings
    config: Path
    seen: tuple[int, int, int] | None
    overrides: dict[str, object]


def _chosen(config_file: Path | None, overrides: dict[str, object]) -> _Chosen:
    """Return the settings of a jam. Refuses before a port opens a model, a style or an engine that cannot be had."""
    from improv.control.values import applied
    from improv.edits import stamp
    from improv.engine import device
    from improv.predict.weights import check_style, find, inspect

    # One that is not there may be made while playing.
    file = (config_file or Path(config.NAME)).absolute()
    seen = stamp(file)
    settings = config.load(config_file, _given(overrides))
    device.check(settings.model.engine)
    if settings.player.name is not None:
        from improv.sessions.players import file_of

        file_of(Path(settings.player.folder), settings.player.name)
    card = inspect(find(settings.model.name))
    for controls in (settings.controls, *(applied(settings.controls, each.values) for each in settings.presets)):
        check_style(settings.model.name, card, controls.style)
    return _Chosen(settings, file, seen, _given(overrides))


def _given(overrides: dict[str, object]) -> dict[str, object]:
    return {option: value for option, value in overrides.items() if value is not None}


def _play(
    supervisor: Supervisor,
    chosen: _Chosen,
    journal: Path | None,
    *,
    quiet: bool,
    on_ready: Callable[[str, bytes], None],
) -> int:
    """Run a jam until it ends; return the exit code.

    `on_ready` is told where the ports process listens, and the key that it asks for; it must not block.
    """
    from improv.ports.spec import Spec as PortsSpec
    from improv.runtime import Runtime, lock_key
    from improv.spec import Spec as BrainSpec

    settings = chosen.settings
    seed = secrets.randbits(32) if settings.model.seed is None else settings.model.seed
    authkey = secrets.token_bytes(32)
    epochs = count(1)
    with Runtime(lock_key(settings)) as runtime:
        runtime.share(authkey)
        ports = PortsSpec.of(settings, runtime.address, authkey, runtime.memory)
        brain = BrainSpec(
            settings,
            seed,
            runtime.address,
            authkey,
            journal,
            quiet=quiet,
            config=chosen.config,
            seen=chosen.seen,
            overrides=chosen.overrides,
        )

        def ports_line(_again: bool) -> bytes:
            runtime.free_address()
            return replace(ports, epoch=next(epochs)).to_line()

        return supervisor.run(
            ports_line,
            lambda again: replace(brain, restore=again).to_line(),
            lambda: on_ready(runtime.address, authkey),
        )


@app.command()
def controls(config_file: ConfigFile = None) -> None:
    """List what can be changed while playing: its controller, its name, its values."""
    from improv.control.bindings import configured, together
    from improv.control.page import values
    from improv.control.table import table
    from improv.sessions.learned import read_learned

    midi = config.load(config_file).midi
    learned = read_learned(Path(midi.learned).expanduser()) if midi.learned else {}
    bindings = together(configured(midi), learned)
    for row in table().values():
        bound = bindings.get(row.name)
        channel = f" ch {bound.channel + 1}" if bound and bound.channel is not None else ""
        print(f"{f'CC {bound.control}{channel}' if bound else '-':<12}{row.name:<15}{values(row):<38}{row.help}")


@app.command(name="set", context_settings={"ignore_unknown_options": True})  # -5 is a value
def set_control(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A control or an action; `improv controls` lists them.")],
    value: Annotated[str | None, typer.Argument(metavar="VALUE", help="Its new value; none for an action.")] = None,
    config_file: ConfigFile = None,
    backend: Backend = None,
) -> None:
    """Change a control of the running jam, or have an action done."""
    from improv.control.values import wish

    wish(name, value)
    _tell_jam(config.load(config_file, _given({"--backend": backend})), name, value or "")


@app.command()
def learn(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A control or an action; off: wait no longer.")],
    config_file: ConfigFile = None,
    backend: Backend = None,
) -> None:
    """Have the running jam bind a control to the next controller that you move."""
    from improv.control.values import entry

    wanted = None if name == "off" else entry(name).name
    _tell_jam(config.load(config_file, _given({"--backend": backend})), "learn", wanted or "")


def _tell_jam(settings: Settings, name: str, value: str) -> None:
    """Send a wish to the jam that runs under these settings. Raises ImprovError if there is none."""
    from improv.ports.link import Wish
    from improv.runtime import dial_running

    link = dial_running(settings)
    try:
        link.send(Wish(name, value))
    finally:
        link.close()


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
def replay(
    journal: Annotated[Path, typer.Argument(metavar="SESSION.jsonl", help="The journal of a session.")],
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Write session.mid and roll.png here.")] = None,
) -> None:
    """Run a session again from its journal, and compare what is sent."""
    from improv.sessions.export import export
    from improv.sessions.journal import read
    from improv.sessions.replay import engine_of
    from improv.sessions.replay import replay as run_again
    from improv.sessions.roll import draw

    session = read(journal)
    if session.damaged:
        print(f"{journal}: {len(session.damaged)} damaged lines are left out", file=sys.stderr)
    again = run_again(session, engine_of)
    if out is not None:
        midi = _fresh(out, "session.mid", "roll.png")
        export(journal, midi)
        draw(journal, out / "roll.png")
    if again.elsewhere:
        turns = ", ".join(map(str, again.elsewhere))
        print(f"turns {turns}: not of the engine numpy; replayed as they were recorded")
    if again.recalled:
        turns = ", ".join(map(str, again.recalled))
        print(f"turns {turns}: the engine plays them otherwise here; replayed as they were recorded")
    if not again.is_identical:
        raise SessionError(f"{journal}: message {again.first_difference} of {len(again.recorded)} differs")
    print(f"identical: {len(again.sent)} messages, and when they were due")


@app.command()
def bench(
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the figures here too.")
    ] = None,
    calls: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Only how well answers fit calls from these MIDI files.")
    ] = None,
    reading: Annotated[
        Path | None, typer.Option(metavar="CORPUS", help="Only how fast this corpus is read, next to pretty_midi.")
    ] = None,
    count: Annotated[
        int,
        typer.Option(min=1, help="With --calls: how many; with --beat: answers; else: files of a folder."),
    ] = 50,
    model: Annotated[
        str, typer.Option(metavar="NAME-or-FILE", help="With --calls and --turn-taking: who answers.")
    ] = "lstm",
    training: Annotated[
        Path | None, typer.Option(metavar="CORPUS", help="Only how fast the networks train on this corpus.")
    ] = None,
    turn_taking: Annotated[
        list[Path] | None,
        typer.Option(metavar="DIR", help="Only how well phrase ends are told in these MIDI files; may be repeated."),
    ] = None,
    tempo: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Only how well the beat is heard in these MIDI files.")
    ] = None,
    beat: Annotated[bool, typer.Option("--beat", help="Only how well it keeps to a MIDI clock (six minutes).")] = False,
) -> None:
    """Measure latency and lateness on this machine, next to the bare machine's own (four minutes)."""
    from rich.console import Console

    from improv.bench import run, run_beat, run_reading, run_tempo, run_training, run_turn_taking

    if sum(bool(asked) for asked in (calls, reading, training, turn_taking, tempo, beat)) > 1:
        raise UsageError("--calls, --reading, --training, --turn-taking, --tempo and --beat: one at a time")
    screen = Console(width=None if sys.stdout.isatty() else 120)

    def say(line: str) -> None:
        print(line, file=sys.stderr)

    try:
        if reading is not None:
            raise typer.Exit(run_reading(json_file, screen.print, say, reading, count))
    except ImportError as error:
        raise ImprovError(f"reading corpora needs {error.name}; install improv[train]") from error
    if turn_taking:
        raise typer.Exit(run_turn_taking(json_file, screen.print, say, turn_taking, count, model))
    if tempo is not None:
        raise typer.Exit(run_tempo(json_file, screen.print, say, tempo, count))
    if beat:
        raise typer.Exit(run_beat(json_file, screen.print, say, count))
    if training is not None:
        raise typer.Exit(run_training(json_file, screen.print, say, training))
    raise typer.Exit(run(json_file, screen.print, say, calls, count, model))


app.add_typer(offline)
