"""Who is connected to our JACK ports, remembered: a peer that goes and returns is connected again.

What the user connects is remembered, what the user disconnects is forgotten. Pure: what the server says comes in,
what to do about it goes out.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, auto

from improv.ports.memory import Connections

SETTLED = 0.5  # seconds after which a peer that is there, and not connected any more, is not about to go


class _Peer(Enum):
    CONNECTED = auto()
    DOUBTFUL = auto()  # there, and not connected any more: the user's wish, or a peer about to go
    GONE = auto()


@dataclass(frozen=True, slots=True)
class Changes:
    """What has changed since the last look. Each pair is (our port, peer)."""

    connect: tuple[tuple[str, str], ...] = ()
    gained: tuple[tuple[str, str], ...] = ()
    lost: tuple[tuple[str, str], ...] = ()


class Patchbay:
    """The memory of connections. Not thread-safe."""

    def __init__(self, remembered: Connections) -> None:
        self._peers = {(ours, peer): _Peer.GONE for ours, peers in remembered.items() for peer in peers}
        self._doubtful_since: dict[tuple[str, str], float] = {}

    def invite(self, ours: str, peer: str) -> None:
        """Connect `peer` as if it had been connected before."""
        self._peers.setdefault((ours, peer), _Peer.GONE)

    def remembered(self) -> Connections:
        """Return what to restore, oldest first."""
        connections: Connections = {}
        for ours, peer in self._peers:
            connections.setdefault(ours, []).append(peer)
        return connections

    def look(
        self, now: float, present: Iterable[str], connected: Mapping[str, Iterable[str]], departed: Iterable[str]
    ) -> Changes:
        """Compare with the server's view: ports there are, peers of each of our ports, clients gone since last time.

        `connect` is asked for again at every look until it is done: a new port may not take connections at once.
        """
        here, left = set(present), set(departed)
        pairs = {(ours, peer): None for ours, peers in connected.items() for peer in peers}
        connect, gained, lost = [], [], []
        for pair in (*self._peers, *(pair for pair in pairs if pair not in self._peers)):
            before = self._peers.get(pair)
            peer = pair[1]
            if pair in pairs:
                if before is not _Peer.CONNECTED:
                    gained.append(pair)
                self._peers[pair] = _Peer.CONNECTED
                continue
            if before is _Peer.CONNECTED:
                lost.append(pair)
            if peer not in here:
                self._peers[pair] = _Peer.GONE
            elif before is _Peer.GONE or peer.partition(":")[0] in left:
                self._peers[pair] = _Peer.GONE
                connect.append(pair)
            elif before is _Peer.CONNECTED:
                self._peers[pair] = _Peer.DOUBTFUL
                self._doubtful_since[pair] = now
            elif now - self._doubtful_since[pair] >= SETTLED:
                del self._peers[pair]
        return Changes(tuple(connect), tuple(gained), tuple(lost))
