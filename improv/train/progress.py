"""How a training goes, for a person: a bar where a terminal shows it, else a line now and then."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

Report = Callable[[str], None]


class Bar:
    """A bar at the foot of a terminal; what is reported goes above it."""

    def __init__(self, bars: "RichProgress") -> None:
        self._bars = bars
        self._task = bars.add_task("", total=None, figures="")

    def report(self, line: str) -> None:
        """Write a line above the bar."""
        self._bars.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def show(self, done: int, total: int, what: str, figures: str) -> None:
        """Show how far it is."""
        self._bars.update(self._task, completed=done, total=total, description=what, figures=figures)


class Progress:
    """Tells how far `total` batches of `notes` notes each have come, from `done` on.

    To `bar`, or in a line to `report` whenever `every` batches have been done since the last.
    """

    def __init__(self, report: Report, bar: Bar | None, done: int, total: int, notes: int, every: int) -> None:
        self._report, self._bar = report, bar
        self._first, self._total, self._notes, self._every = done, total, notes, every
        self._told = done
        self._began = perf_counter()

    def at(self, done: int, where: str, loss: float) -> None:
        """Tell that `done` batches are done: `where` that is in words, and the running `loss`."""
        if self._bar is None and done - self._told < self._every:
            return
        self._told = done
        pace = (done - self._first) / (perf_counter() - self._began)
        left = (self._total - done) / pace / 60
        figures = f"loss {loss:.3f}, {pace * self._notes:,.0f} notes/s, {left:.1f} minutes left"
        if self._bar is None:
            self._report(f"{where}: {figures}")
        else:
            self._bar.show(done, self._total, where, figures)


@contextmanager
def watched(say: Report, *, terminal: bool) -> Iterator[tuple[Report, Bar | None]]:
    """Give what lines are reported to, and a bar on standard error if that is a `terminal`."""
    if not terminal:
        yield say, None
        return
    from rich.console import Console  # noqa: PLC0415 - for a terminal alone
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn  # noqa: PLC0415

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[figures]}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as bars:
        bar = Bar(bars)
        yield bar.report, bar
