"""Where the files of a corpus belong, and what may be done with them.

An `index.csv` or MAESTRO's metadata say it; else it is the hash of a file's bytes.
"""

import csv
import io
import json
import posixpath
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath

from improv.errors import CorpusError
from improv.train.sources import is_licence, is_split

TRAIN, VALIDATION = "train", "validation"

_OTHER_WORDS = {"training": TRAIN, "valid": VALIDATION, "val": VALIDATION, "dev": VALIDATION}
_PATH = {"index.csv": "path"}
_MAESTRO_PATH = "midi_filename"
# Without an index, this share of the files is held out.
_HELD_OUT = 0.1


def assign(hashes: Mapping[str, str], texts: Mapping[str, bytes]) -> dict[str, str]:
    """Return the split of each file that counts, by name; those that an index names and nobody has are among them.

    `hashes`: of each file there is, empty where its bytes could not be had. `texts`: the other files, by name. An
    index is one for its folder and what is in it; the outermost counts. Raises CorpusError for one that is none.
    """
    listed: dict[str, str] = {}
    folders = _indexed(texts)
    for folder, index in folders.items():
        for path, split in _rows(index, texts[index]):
            name = posixpath.normpath(posixpath.join(folder, path))
            listed.setdefault(name, _OTHER_WORDS.get(split.lower(), split.lower()))
    others = {
        name: _by_hash(digest)
        for name, digest in hashes.items()
        if not any(folder in {"", *_folders(name)} for folder in folders)
    }
    if others and TRAIN not in others.values() and TRAIN not in listed.values():
        # Too few to hold any out.
        others = dict.fromkeys(others, TRAIN)
    return listed | others


def licence(texts: Mapping[str, bytes]) -> str:
    """Return the titles of the outermost licence texts."""
    names = sorted(name for name in texts if is_licence(name))
    depth = min((name.count("/") for name in names), default=0)
    titles: dict[str, str] = {}
    for name in names:
        if name.count("/") == depth:
            first = texts[name].decode("utf-8", "replace").lstrip("# \t\r\n").partition("\n")[0].strip()
            titles.setdefault(posixpath.dirname(name), first.removesuffix(" License"))
    return ", ".join(sorted({title for title in titles.values() if title})) or "unknown"


def _indexed(texts: Iterable[str]) -> dict[str, str]:
    """Return the folders that have an index, each with the best it has; none that lies in another of them."""
    best: dict[str, str] = {}
    # index.csv comes first, and csv before json.
    for name in sorted(filter(is_split, texts), key=lambda name: (not name.endswith("index.csv"), name)):
        best.setdefault(posixpath.dirname(name), name)
    return {folder: name for folder, name in best.items() if not any(outer in best for outer in _folders(folder))}


def _folders(name: str) -> Iterator[str]:
    """Yield the folders that `name` lies in, as names; the outermost is empty."""
    while name:
        name = posixpath.dirname(name)
        yield name


def _rows(name: str, text: bytes) -> Iterator[tuple[str, str]]:
    """Yield path and split of each file that an index names."""
    column = _PATH.get(PurePosixPath(name).name, _MAESTRO_PATH)
    try:
        if name.endswith(".json"):
            columns = json.loads(text)
            rows = [{column: path, "split": columns["split"][row]} for row, path in columns[column].items()]
        else:
            # With or without the mark that spreadsheets put first.
            rows = list(csv.DictReader(io.StringIO(text.decode("utf-8-sig"), newline="")))
        for row in rows:
            if row[column] and row["split"]:
                yield str(row[column]), str(row["split"]).strip()
    except KeyError as error:
        raise CorpusError(f"{name}: no column {error}") from error
    except (ValueError, AttributeError, TypeError, RecursionError, csv.Error) as error:
        raise CorpusError(f"{name}: not readable: {error}") from error


def _by_hash(digest: str) -> str:
    if not digest:
        return TRAIN  # its bytes could not be had
    # By content: the same bytes never fall on both sides, whatever they are called.
    return VALIDATION if int(digest[:8], 16) / 2**32 < _HELD_OUT else TRAIN
