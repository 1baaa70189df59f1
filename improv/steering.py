"""How a jam is steered: knobs, pedals, presets, wishes and edits of the file, all through `Controls`; and the beat.

On the brain's event loop, between the ports process and the brain's mind.
"""

import asyncio
from math import inf
from pathlib import Path

from improv import clock
from improv.beat import Grid
from improv.brain import Brain, Line
from improv.console import Console
from improv.control.surface import Act, Hold, Learned, Recall, Request, Set, Surface, Unknown
from improv.control.values import applied, judged, preset_of, wish
from improv.edits import Edit
from improv.errors import ImprovError
from improv.events import NoteOn, decode
from improv.listen.conductor import Conductor
from improv.ports.link import FromPorts, Heard, Lead, Welcome, Wished
from improv.sessions.learned import write_learned
from improv.settings import Controls, Settings

# A count-in begins this long after it was asked for.
_BREATH_S = 0.3


class Steering:
    """Passes on what the ports process says to `brain`, and steers it by what that asks for.

    `styles` are those of the model. Event loop only.
    """

    def __init__(
        self,
        brain: Brain,
        link: Line,
        console: Console,
        settings: Settings,
        styles: tuple[str, ...] = (),
        surface: Surface | None = None,
    ) -> None:
        self._brain = brain
        self._link = link
        self._console = console
        self._settings = settings
        self._styles = styles
        self.surface = surface or Surface(settings.midi, settings.pedals, _programs(settings), styles)
        self.conductor = Conductor(settings.controls)
        self._later: list[tuple[str, object]] = []  # changes that wait for the bar
        self._due = inf
        self._alarm: asyncio.TimerHandle | None = None
        self._counts_in = settings.controls.mode == "trade"
        self._is_borrowed = False  # whether the internal beat is there for a trade alone
        self._led: Lead | None = None

    def receive(self, message: FromPorts) -> None:
        """Take one message of the ports process."""
        match message:
            case Heard(_, at, port, data):
                self._hear(at, port, data)
            case Wished(_, name, value):
                self._grant(name, value)
                return
            case Welcome():
                self._led = None  # another ports process has to be told again
        self._brain.receive(message)
        self.look()

    def catch_up(self) -> None:
        """Go on with what the brain has from its journal: the controls, and the beat, until somebody gives another."""
        musician = self._brain.musician
        self.conductor.set(musician.controls, clock.now())
        if musician.grid is not None:
            self.conductor.resume(musician.grid)
        self._counts_in = musician.controls.mode == "trade"
        self.ports_lost()

    def ports_lost(self) -> None:
        """Let pedals up whose lift nobody will tell of."""
        self.surface.release_all()
        if self._brain.musician.is_held:
            self._brain.act("let_go")

    def edited(self, edit: Edit) -> None:
        """Apply an edit of the file: at the next bar, or not at all."""
        for problem in edit.problems:
            self._console.trouble(problem)
        if edit.problems:
            self._console.trouble("the file is left alone until it is right; what was set before holds")
            return
        self._settings = edit.settings
        for name in edit.later:
            self._console.say(f"{name}: takes effect at the next start")
        if edit.live:
            self._do(self.surface.configure(edit.settings.midi, edit.settings.pedals, _programs(edit.settings)))
            self._console.say(f"config {', '.join(edit.live)}")
        self._change_later(edit.controls)

    def look(self) -> None:
        """See where the beat is, and do what is due."""
        now = clock.now()
        if now >= self._due:
            later, self._later, self._due = self._later, [], inf
            self._steer(applied(self._brain.musician.controls, later))
        self._brain.beat(self.conductor.grid(now))
        self._begin_trade(now)
        self._lead()
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        wake = min(self._due, self.conductor.wake_at(now))
        if wake < inf:
            self._alarm = asyncio.get_running_loop().call_later(max(0.0, wake - now), self.look)

    def stop(self) -> None:
        """Look no more."""
        if self._alarm is not None:
            self._alarm.cancel()

    @property
    def wanted(self) -> Controls:
        """The controls as they will be at the next bar."""
        return applied(self._brain.musician.controls, self._later)

    def _hear(self, at: float, port: str, data: bytes) -> None:
        event = decode(data)
        if event is None:
            return
        self._do(self.surface.feed(at, port, event, self.wanted), at)
        self.conductor.feed(at, port, event)
        lowest, highest = self._brain.musician.hears
        if isinstance(event, NoteOn) and lowest <= event.pitch <= highest:
            self.conductor.onset(at)

    def _do(self, request: Request | None, at: float | None = None) -> None:
        match request:
            case Set(name, value):
                self._steer(applied(self._brain.musician.controls, [(name, value)]))
            case Act(action):
                self._act(action, clock.now() if at is None else at)
            case Hold(down):
                self._brain.act("hold" if down else "let_go")
            case Recall(program):
                self._recall(program)
            case Unknown(program):
                self._console.say(f"preset {program}: there is none of this number")
            case Learned(name, control, channel):
                self._console.say(f"learned {name}: controller {control} on channel {channel + 1}")
                self._keep_learned()

    def _act(self, action: str, at: float) -> None:
        match action:
            case "panic":
                self._brain.panic()
            case "tap":
                bpm = self.conductor.tap(at)
                if bpm is not None:
                    self._console.say(f"tempo  {bpm:.1f}, tapped")
            case _:
                self._brain.act(action)

    def _grant(self, name: str, value: str) -> None:
        """Do what a command line asks for. What cannot be done is said."""
        try:
            if name == "learn":
                wanted = value or None
                self.surface.learn(wanted, clock.now())
                self._console.say(f"learn  {wanted}: move its controller" if wanted else "learn  nothing, after all")
                return
            wish(name, value or None, self._styles)
            if value:
                self._steer(applied(self._brain.musician.controls, [(name, judged(name, value, self._styles))]))
            else:
                self._act(name, clock.now())
        except ImprovError as error:
            self._console.trouble(str(error))
        self.look()

    def _recall(self, program: int) -> None:
        preset = preset_of(self._settings.presets, program)
        if preset is not None:
            self._console.say(f"preset {program}{f': {preset.name}' if preset.name else ''}")
            self._change_later(preset.values)

    def _change_later(self, values: tuple[tuple[str, object], ...]) -> None:
        """Change controls at the next bar; at once where time is free."""
        now, grid = clock.now(), self._brain.musician.grid
        self._later += values
        if self._later:
            self._due = min(self._due, now if grid is None else grid.time_at(grid.next(now, grid.bar)))
        self.look()

    def _steer(self, controls: Controls) -> None:
        before = self._brain.musician.controls
        if controls == before:
            return
        self._brain.steer(controls)
        self.conductor.set(controls, clock.now())
        if controls.mode != before.mode:
            self._console.say(f"mode   {controls.mode}")
            self._counts_in = controls.mode == "trade"
            if before.mode == "trade" and self._is_borrowed:
                self.conductor.forget()
                self._is_borrowed = False
        if controls.mute != before.mute:
            self._console.say("muted" if controls.mute else "no longer muted")

    def _begin_trade(self, now: float) -> None:
        """Count the bars of a trade off: on the beat there is, else after a count-in of ours."""
        musician = self._brain.musician
        if musician.controls.mode != "trade" or musician.trades:
            return
        grid = self.conductor.grid(now)
        if grid is not None:
            if self.conductor.source == "playing":  # it would be gone while the player listens to us
                self._borrow(grid)
            self._brain.act("trade", grid.next(now, grid.bar))
        elif self._counts_in:
            bar = musician.controls.beats_per_bar
            self._borrow(Grid(now + _BREATH_S, -float(bar), 60 / musician.controls.bpm, bar))
            grid = self.conductor.grid(now)
            self._brain.beat(grid)
            if grid is not None:
                self._brain.count_in(grid, bar)
                self._brain.act("trade", 0.0)
            else:
                self.conductor.forget()
                self._console.say(f"trade  needs a beat, and there is none: tempo is {musician.controls.tempo}")
        self._counts_in = False

    def _borrow(self, grid: Grid) -> None:
        """Keep a beat for as long as bars are traded."""
        self.conductor.resume(grid)
        self._is_borrowed = True

    def _lead(self) -> None:
        """Send clock, if that is wanted and the beat is not another's."""
        controls, grid = self._brain.musician.controls, self._brain.musician.grid
        leads = controls.lead and self.conductor.source != "clock"
        wanted = Lead(grid, running=True) if leads and grid is not None else Lead(None, running=False)
        if wanted != self._led and (self._led is not None or wanted.grid is not None):
            self._led = wanted
            self._link.send(wanted)

    def _keep_learned(self) -> None:
        name = self._settings.midi.learned
        if name is None:
            return
        try:
            write_learned(Path(name).expanduser(), self.surface.learned)
        except (ImprovError, OSError) as error:
            self._console.trouble(f"{name}: what was learned is not kept: {error}")


def _programs(settings: Settings) -> tuple[int, ...]:
    return tuple(preset.program for preset in settings.presets)
