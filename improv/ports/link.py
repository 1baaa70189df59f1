"""What the ports process and its callers say to each other, over `multiprocessing.connection`.

The ports process listens; each caller dials in and says `Hello` first. Times are seconds of `improv.clock`.
Light on purpose: no numpy, no mido.
"""

from dataclasses import dataclass
from enum import StrEnum

from improv.beat import Grid

TimedBytes = tuple[float, bytes]

LONGEST_WISH = 64  # characters of a name, and of a value


class Role(StrEnum):
    """What a caller is to the ports process."""

    BRAIN = "brain"  # hears every input, plans what is played; one at a time, the newest wins
    INPUT = "input"  # a player in software: a page, a recorded performance
    OUTPUT = "output"  # a synthesizer in software: gets a copy of everything sent
    REMOTE = "remote"  # has wishes: a command line


# ---- caller to ports ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Hello:
    """First word of a caller. A brain gets every input event kept with `seq` > `after_seq` again."""

    role: Role
    name: str = ""
    after_seq: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """Play `events` (due, MIDI message) as turn `turn`, thought out from the input up to `basis` (a seq).

    Replaces an earlier plan of which nothing has sounded yet. Refused when the player has played on after `basis`
    (a note that counts, see barge-in), or while an earlier plan is already sounding.
    One that does not yield (a duet) sounds whatever the player plays, before it and into it.
    Every note-on in `events` has its note-off there. `turn` is 1 or more, and never used twice.
    """

    turn: int
    basis: int
    events: tuple[TimedBytes, ...]
    yields: bool = True


@dataclass(frozen=True, slots=True)
class Extend:
    """Play `events` too, as more of turn `turn`: a stream is planned a part at a time.

    Refused when the turn is not the last that was accepted, or it was cut or dropped, or the player has played into
    it, even between its notes (if it yields). One whose notes have all ended can be gone on with. Every note-on in
    `events` has its note-off there.
    """

    turn: int
    events: tuple[TimedBytes, ...]


class Silencing(StrEnum):
    """Why we stopped, other than for the player."""

    FLUSH = "flush"
    PANIC = "panic"
    OUTPUT_LOST = "output lost"
    YIELD = "yield"
    DROP = "drop"


@dataclass(frozen=True, slots=True)
class Flush:
    """Drop what waits. What sounds ends now (FLUSH), as if the player had played (YIELD), or at its own off (DROP).

    What a DROP lets ring still yields to the player, if its turn did; the next plan need not wait for it.
    """

    how: Silencing = Silencing.FLUSH


@dataclass(frozen=True, slots=True)
class Retime:
    """The beat has moved: what waits of the turn under way keeps its place in beats, from one grid to the other.

    What had its moment before now is due now, in order; longer ago than a stall may last, it is dropped.
    """

    before: Grid
    after: Grid


@dataclass(frozen=True, slots=True)
class Listen:
    """Let only the player's notes from `lowest` to `highest`, both included, make us yield: the rest are another's.

    They are heard all the same. A new brain, or ports process, begins with all 128.
    """

    lowest: int
    highest: int


@dataclass(frozen=True, slots=True)
class Lead:
    """Send MIDI clock on `grid` from now on, whether `running` or not; None: no more. See `improv.play.pulse`.

    Followers start at the first bar line after `running` has become true. While there is a clock of ours, what comes in
    as clock, start, stop, continue or song position is taken for it, and dropped. It outlives its brain; the ports
    process that comes after a lost one has to be told again.
    """

    grid: Grid | None
    running: bool


@dataclass(frozen=True, slots=True)
class Panic:
    """Silence everything on our channels, paced."""


@dataclass(frozen=True, slots=True)
class Play:
    """One MIDI message of a software player, stamped on arrival (or `at`, if given and not in the future)."""

    data: bytes
    at: float | None = None


@dataclass(frozen=True, slots=True)
class Wish:
    """What a remote would have the brain do, in the brain's own words; dropped when longer than `LONGEST_WISH`.

    There is no answer. While there is no brain it goes unheard.
    """

    name: str
    value: str


# ---- ports to caller ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Welcome:
    """Answer to `Hello`. `epoch` differs for each ports process; `seq` is the last input event's number."""

    epoch: int
    seq: int


@dataclass(frozen=True, slots=True)
class Heard:
    """A human event: normalised (velocity 0 is a note-off, channel filter and echo filter passed)."""

    seq: int
    at: float
    port: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Sent:
    """A message that left: `due` when it should have, `at` when the driver had taken it. Turn 0: thru and set-up.

    For what is planned that is `ports.output_offset_ms` before it is to sound; thru and the clock are not moved.
    Our clock, 24 messages a beat of turn 0, is told to software outputs only, not to the brain.
    """

    turn: int
    due: float
    at: float
    data: bytes


@dataclass(frozen=True, slots=True)
class Accepted:
    """A plan that will be played unless the player plays first. `at`: when it was taken over, in order with inputs."""

    turn: int
    at: float


@dataclass(frozen=True, slots=True)
class Refused:
    """A plan, or more of one, that cannot be played.

    The player has played on since, an earlier one sounds, the one to extend is over, or the output is lost.
    """

    turn: int


@dataclass(frozen=True, slots=True)
class Yielded:
    """The player played (event `seq`, stamped `at`) into turn `turn`: pending notes dropped, sounding ones ending."""

    turn: int
    seq: int
    at: float


@dataclass(frozen=True, slots=True)
class Extended:
    """An `Extend` that will be played unless the turn ends before. `at`: as of `Accepted`."""

    turn: int
    at: float


@dataclass(frozen=True, slots=True)
class Silenced:
    """What waited was dropped at `at`, and what sounded was ended, or will be: see `Flush`.

    The output being lost, it is owed.
    """

    at: float
    how: Silencing


@dataclass(frozen=True, slots=True)
class Retimed:
    """What waited was moved, at `at`. Nothing waited: nothing is said."""

    at: float
    before: Grid
    after: Grid


@dataclass(frozen=True, slots=True)
class Listening:
    """From `at` on only notes from `lowest` to `highest` make us yield."""

    at: float
    lowest: int
    highest: int


@dataclass(frozen=True, slots=True)
class Wished:
    """A remote's `Wish`, at `at`, in order with inputs."""

    at: float
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class PortState:
    """How the MIDI ports are now; sent on every change. `connected`: peers of virtual ports, else the port itself."""

    backend: str
    inputs: tuple[tuple[str, bool], ...]
    output: tuple[str, bool]
    connected: tuple[str, ...] = ()
    message: str = ""


FromPorts = (
    Welcome
    | Heard
    | Sent
    | Accepted
    | Extended
    | Refused
    | Yielded
    | Silenced
    | Retimed
    | Listening
    | Wished
    | PortState
)
ToPorts = Hello | Plan | Extend | Flush | Retime | Listen | Lead | Panic | Play | Wish
