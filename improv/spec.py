"""What the brain is told before it acts: one line on its standard input. Light: the command line imports it."""

import base64
import pickle
from dataclasses import dataclass, field
from pathlib import Path

from improv.settings import Settings


@dataclass(frozen=True, slots=True)
class Spec:
    """`journal`: the file to write, or with `restore` the one to go on with; None: no record.

    `address` and `authkey` are those of the ports process. `config` is the file that may be edited while playing,
    `seen` its stamp when it was read, `overrides` the options that stay on top.
    """

    settings: Settings
    seed: int
    address: str
    authkey: bytes = field(repr=False)
    journal: Path | None
    restore: bool = False
    quiet: bool = False
    config: Path | None = None
    seen: tuple[int, int, int] | None = None
    overrides: dict[str, object] = field(default_factory=dict)

    def to_line(self) -> bytes:
        """Return the spec as one line, its end included. `from_line` is the inverse."""
        return base64.b64encode(pickle.dumps(self)) + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> "Spec":
        """Return the spec in a line of our own parent's, from our own pipe."""
        spec: Spec = pickle.loads(base64.b64decode(line))
        return spec
