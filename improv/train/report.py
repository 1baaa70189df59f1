"""What is in corpora: sizes, distributions, what was left out and why, what is on both sides of a split."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from improv.errors import CorpusError
from improv.predict.encoding import DURATION, PITCH, STEP, VELOCITY, FloatArray
from improv.train.corpus import CACHE, TRAIN, VALIDATION, Corpus, read
from improv.train.duplicates import SHARED, Duplicate, duplicates

if TYPE_CHECKING:
    from rich.table import Table

QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
"""The least, the most, and what so many of all notes are below of."""

# What is struck within this is a chord.
CHORD_S = 0.02
# A file whose velocities stray no further than this has no dynamics.
_FLAT = 0.5

_COLUMNS = (("pitch", PITCH, 0), ("step (s)", STEP, 3), ("duration (s)", DURATION, 3), ("velocity", VELOCITY, 0))
_FIRST = 3
_MOST_DUPLICATES = 20


@dataclass(frozen=True, slots=True)
class Report:
    """Corpora, and the files held out that are too close to one to train on."""

    corpora: tuple[Corpus, ...]
    duplicates: tuple[Duplicate, ...]


def examine(paths: Sequence[Path], cache: Path = CACHE) -> Report:
    """Return what is in the corpora at `paths`, every split. Raises CorpusError."""
    corpora = tuple(read(path, cache, None) for path in paths)
    return Report(corpora, tuple(duplicates(corpora)))


def write(report: Report, file: Path) -> None:
    """Write all of it into `file`, as JSON. Raises CorpusError."""
    try:
        file.write_text(json.dumps(facts(report), indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise CorpusError(f"{file}: {error.strerror or error}") from error


def facts(report: Report) -> dict[str, object]:
    """Return all of it, ready for JSON."""
    return {
        "corpora": [_facts(corpus) for corpus in report.corpora],
        "duplicates": [
            {
                "held_out": each.held_out,
                "split": each.split,
                "train": each.train,
                "how": each.how,
                "share": round(each.share, 3),
            }
            for each in report.duplicates
        ],
    }


def _facts(corpus: Corpus) -> dict[str, object]:
    return {
        "name": corpus.name,
        "licence": corpus.licence,
        "splits": {
            split: {"files": files, "notes": notes, "hours": round(hours, 2)}
            for split, files, notes, hours in _splits(corpus)
        },
        "chord_notes": round(_chords(corpus), 4),
        "files_without_dynamics": _without_dynamics(corpus),
        "quantiles": list(QUANTILES),
        "distributions": {
            title.partition(" ")[0]: [round(value, 6) for value in _quantiles(corpus.notes, column)]
            for title, column, _ in _COLUMNS
        },
        "skipped": corpus.skipped,
        "left_out": [{"file": name, "reason": reason} for name, reason in corpus.left_out],
    }


def render(report: Report) -> "list[Table | str]":
    """Return the report as tables and lines, ready to print; what looks like markup in a line is a name."""
    corpora = report.corpora
    return [
        _sizes(corpora),
        _distributions(corpora),
        *map(_printable, (*_remarks(corpora), *_left_out(corpora), *_twice(report.duplicates))),
    ]


def _printable(line: str) -> str:
    """Return `line` with what a file's name may do to a terminal made visible."""
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in line)


def _sizes(corpora: Sequence[Corpus]) -> "Table":
    table = _table("corpus", "licence", "split")
    for title in ("files", "notes", "hours"):
        table.add_column(title, justify="right")
    for corpus in corpora:
        for row, (split, files, notes, hours) in enumerate(_splits(corpus)):
            own = ("", "") if row else (corpus.name, corpus.licence)
            table.add_row(*own, split, f"{files:,}", f"{notes:,}", f"{hours:.1f}")
    return table


def _distributions(corpora: Sequence[Corpus]) -> "Table":
    table = _table("corpus", "what")
    for title in ("least", *(f"{quantile:.0%}" for quantile in QUANTILES[1:-1]), "most"):
        table.add_column(title, justify="right")
    for corpus in corpora:
        for row, (title, column, digits) in enumerate(_COLUMNS):
            values = (f"{value:.{digits}f}" for value in _quantiles(corpus.notes, column))
            table.add_row("" if row else corpus.name, title, *values)
    return table


def _remarks(corpora: Sequence[Corpus]) -> Iterator[str]:
    for corpus in corpora:
        chords = f"{_chords(corpus):.0%} of the notes come within {CHORD_S * 1000:.0f} ms of the one before"
        flat = _without_dynamics(corpus)
        yield f"{corpus.name}: {chords}" + (f"; files without dynamics: {flat:,}" if flat else "")


def _left_out(corpora: Sequence[Corpus]) -> Iterator[str]:
    """Yield the first files left out for each reason, and how many more there are."""
    for corpus in corpora:
        if not corpus.left_out:
            yield f"{corpus.name}: no file is left out"
        for kind, count in sorted(corpus.skipped.items()):
            yield f"{corpus.name}: left out, {kind}: {count:,}"
            own = [each for each in corpus.left_out if each[1].partition(":")[0] == kind]
            for name, reason in own[:_FIRST]:
                details = reason.partition(": ")[2]
                yield f"    {name}" + (f": {details}" if details else "")
            if count > _FIRST:
                yield f"    and {count - _FIRST:,} more"


def _twice(found: Sequence[Duplicate]) -> Iterator[str]:
    if not found:
        yield "nothing that is held out is among what is trained on"
    for each in found[:_MOST_DUPLICATES]:
        share = f" ({each.share:.0%} of its passages)" if each.how == SHARED else ""
        yield f"{each.held_out} ({each.split}) has {each.how}{share} as {each.train} ({TRAIN})"
    if len(found) > _MOST_DUPLICATES:
        yield f"and {len(found) - _MOST_DUPLICATES:,} more files that are held out and trained on"


def _splits(corpus: Corpus) -> list[tuple[str, int, int, float]]:
    """Return of each split its files, notes and hours."""
    known = [split for split in (TRAIN, VALIDATION) if split in corpus.splits]
    lengths = np.diff(corpus.bounds)
    return [
        (split, corpus.splits.count(split), int(lengths[np.array(corpus.splits) == split].sum()), corpus.hours(split))
        for split in (*known, *sorted(set(corpus.splits) - set(known)))
    ]


def _quantiles(notes: FloatArray, column: int) -> list[float]:
    return [float(value) for value in np.quantile(notes[:, column], QUANTILES)]


def _chords(corpus: Corpus) -> float:
    """Return the share of notes that come with the one before."""
    follows = np.ones(len(corpus.notes), bool)
    follows[corpus.bounds[:-1]] = False
    return float((corpus.notes[follows, STEP] < CHORD_S).mean()) if follows.any() else 0.0


def _without_dynamics(corpus: Corpus) -> int:
    pairs = zip(corpus.bounds[:-1], corpus.bounds[1:], strict=True)
    return sum(bool(corpus.notes[start:end, VELOCITY].std() < _FLAT) for start, end in pairs)


def _table(*titles: str) -> "Table":
    # Here, so that training does not wait for it.
    from rich import box  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    table = Table(box=box.SIMPLE, pad_edge=False)
    for title in titles:
        table.add_column(title, overflow="fold")
    return table
