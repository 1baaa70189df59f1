"""What the ports process is told before it acts: one line of JSON on its standard input."""

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from improv.play.gate import Policy, policy_of

if TYPE_CHECKING:  # at run time their checked types would cost the ports process 40 ms of imports
    from improv.settings import Settings

Address = str | tuple[str, int]


@dataclass(frozen=True, slots=True)
class Spec:
    """Where the ports process listens, what it opens, and what it remembers.

    `address` and `authkey` are those of `multiprocessing.connection`; `memory` is the path of the file that outlives
    the process (see `ports.memory`); `epoch` differs for each ports process of a jam.
    """

    address: Address
    authkey: bytes
    memory: str
    epoch: int = 1
    backend: str = "auto"
    inputs: tuple[str, ...] = ()
    output: str | None = None
    virtual: bool | None = None
    name: str = "improv"
    policy: Policy = field(default_factory=Policy)

    @classmethod
    def of(cls, settings: "Settings", address: Address, authkey: bytes, memory: str) -> "Spec":
        """Return the spec for these settings, with the first epoch."""
        ports = settings.ports
        return cls(
            address=address,
            authkey=authkey,
            memory=memory,
            backend=ports.backend,
            inputs=ports.inputs,
            output=ports.output,
            virtual=ports.virtual,
            name=ports.name,
            policy=policy_of(ports, settings.barge_in, settings.midi.channel),
        )

    def to_line(self) -> bytes:
        """Return the spec as one line, its end included. `from_line` is the inverse."""
        return json.dumps(asdict(self) | {"authkey": self.authkey.hex()}).encode() + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> "Spec":
        """Return the spec in a line. Raises ValueError, TypeError or KeyError if it is none."""
        values = json.loads(line)
        address = values["address"]
        return cls(
            **values
            | {
                "address": address if isinstance(address, str) else tuple(address),
                "authkey": bytes.fromhex(values["authkey"]),
                "inputs": tuple(values["inputs"]),
                "policy": Policy(**values["policy"]),
            }
        )
