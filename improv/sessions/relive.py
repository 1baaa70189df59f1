"""What happens to a musician besides the human's notes: live, after a restart, and in a replay."""

from improv.musician import Musician
from improv.play.modes import Leaving
from improv.sessions.records import Acted, Beat, Released, Steered

Happening = Released | Steered | Beat | Acted


def relive(musician: Musician, record: Happening) -> Leaving | None:
    """Let something that the journal tells of happen to the musician, now or again."""
    match record:
        case Released(at):
            musician.release_all(at)
        case Steered(at):
            return musician.steer(at, record.applied(musician.controls))
        case Beat(_, grid):
            musician.beat(grid)
        case Acted(at, "take_over"):
            musician.take_over(at)
        case Acted(at, "yield_now"):
            musician.yield_now(at)
        case Acted(at, "hold"):
            musician.hold(at, down=True)
        case Acted(at, "let_go"):
            musician.hold(at, down=False)
        case Acted(at, "forget_last"):
            musician.forget(at, everything=False)
        case Acted(at, "forget_all"):
            musician.forget(at, everything=True)
        case Acted(_, "trade", float(beat)):
            musician.begin_trade(beat)
    return None
