"""Turn-taking as tables for a person and as JSON for a program."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from improv.bench import turn_answers
from improv.bench.figures import Row
from improv.bench.report import render, to_json
from improv.bench.turn_figures import Line, lines, lines_of_all, together
from improv.bench.turn_taking import play_folder

if TYPE_CHECKING:
    from rich.table import Table

ALL = "all, each folder counting the same"


@dataclass(frozen=True, slots=True)
class Report:
    """The thresholds by folder, and the figures. `sizes`: files and calls of each folder."""

    thresholds: dict[str, list[Line]]
    sizes: dict[str, tuple[int, int]]
    figures: list[Row]

    def tables(self) -> "Iterator[Table]":
        """Yield the tables, ready to print."""
        from rich import box
        from rich.table import Table

        for name, found in self.thresholds.items():
            files, calls = self.sizes[name]
            table = Table(box=box.SIMPLE, pad_edge=False, title=f"{name}: {files} files, {calls} calls")
            table.add_column("threshold")
            for title in ("taken over a call", "a minute", "dead air: median s", "mean s", "p90 s"):
                table.add_column(title, justify="right")
            for line in found:
                values = (line.per_call, line.per_minute, line.median, line.mean, line.p90)
                table.add_row(line.name, *(f"{value:.3f}" for value in values))
            yield table
        yield render(self.figures)

    def to_json(self) -> str:
        """Return all of it, and what kind of machine it is from, as JSON."""
        thresholds = {name: [asdict(line) for line in found] for name, found in self.thresholds.items()}
        return json.dumps({**json.loads(to_json(self.figures)), "thresholds": thresholds}, indent=2) + "\n"


def measure(folders: Sequence[Path], count: int, say: Callable[[str], None], model: str) -> Report:
    """Play `count` performances of each folder to every threshold, and a few to `model`.

    Raises CorpusError where there is no music, ModelError where there is no such model.
    """
    answers = turn_answers.measure(folders, say, model)
    corpora = [play_folder(folder, count, say) for folder in folders]
    sizes = {
        corpus.name: (len(corpus.files), sum(len(file.taken[0].dead_air) for file in corpus.files))
        for corpus in corpora
    }
    thresholds = {corpus.name: lines(corpus) for corpus in corpora}
    if len(corpora) > 1:
        sizes[ALL] = (sum(files for files, _ in sizes.values()), sum(calls for _, calls in sizes.values()))
        thresholds[ALL] = lines_of_all(corpora)
    return Report(thresholds, sizes, [*together(corpora), *answers])
