"""What Linux says of processes: family, processor time, memory, mapped files. Elsewhere: not there."""

import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from improv.bench.worker import NotThereError

_PROC = Path("/proc")
_JACKS_OWN = "/dev/shm/jack"  # noqa: S108 - JACK's own place
_HEADER = re.compile(r"^[0-9a-f]+-[0-9a-f]+ \S+ \S+ \S+ (\d+)\s*(.*)$")


@dataclass(frozen=True, slots=True)
class Mapping:
    """One stretch of a process's memory, in bytes. `path` is empty for memory without a file."""

    path: str
    resident: int
    proportional: int


def require_proc() -> None:
    """Raise NotThereError where the system does not say."""
    if not (_PROC / "self" / "smaps").exists():
        raise NotThereError("this system has no /proc/PID/smaps")


def family(pid: int) -> list[int]:
    """Return `pid` and its children, by number."""
    return [pid, *(int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit() and _parent(entry) == pid)]


def _parent(entry: Path) -> int:
    try:
        return int(_after_name(entry)[1])
    except OSError:
        return 0


def _after_name(entry: Path) -> list[str]:
    # The name, in brackets, may hold anything.
    return (entry / "stat").read_text().rpartition(")")[2].split()


def processor_seconds(pid: int) -> float:
    """Return the processor time that a process's threads have used. Raises OSError where the system does not say.

    From the scheduler, in nanoseconds: the usual count, in ticks, overlooks whoever sleeps most of the time.
    """
    used = 0
    for thread in (_PROC / str(pid) / "task").iterdir():
        with suppress(FileNotFoundError):  # it has just ended
            used += int((thread / "schedstat").read_text().split()[0])
    return used / 1e9


def mappings(pid: int) -> list[Mapping]:
    """Return the memory of a process, stretch by stretch."""
    return parse_smaps((_PROC / str(pid) / "smaps").read_text())


def parse_smaps(text: str) -> list[Mapping]:
    """Return what a `smaps` file says."""
    found: list[Mapping] = []
    path, sizes = "", {"Rss": 0, "Pss": 0}
    for line in [*text.splitlines(), "0-0 end 0 0 0 "]:
        header = _HEADER.match(line)
        if header is None:
            name, _, value = line.partition(":")
            if name in sizes:
                sizes[name] = int(value.split()[0]) * 1024
            continue
        if sizes["Rss"]:
            found.append(Mapping(path, sizes["Rss"], sizes["Pss"]))
        path, sizes = (header[2] if header[1] != "0" else ""), {"Rss": 0, "Pss": 0}
    return found


def proportional(memory: list[Mapping]) -> int:
    """Return the proportional set in bytes, without what JACK's server shares with every client."""
    return sum(stretch.proportional for stretch in memory if not stretch.path.startswith(_JACKS_OWN))


def alone(memories: list[list[Mapping]]) -> int:
    """Return what processes would weigh (bytes) were no one else on the machine: files count once, fully.

    A program that runs beside them, ours too, shares libraries and so makes the proportional set smaller.
    """
    own = 0
    shared: dict[str, int] = {}
    for memory in memories:
        files: dict[str, int] = {}
        for stretch in memory:
            if not stretch.path:
                own += stretch.proportional
            elif not stretch.path.startswith(_JACKS_OWN):
                files[stretch.path] = files.get(stretch.path, 0) + stretch.resident
        for path, size in files.items():
            shared[path] = max(shared.get(path, 0), size)
    return own + sum(shared.values())


def maps_tensorflow(memory: list[Mapping]) -> bool:
    """Return whether any of TensorFlow's libraries is loaded."""
    return any("tensorflow" in stretch.path.lower() for stretch in memory)
