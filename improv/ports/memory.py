"""The file that outlives a ports process: last event number, ledger, and the connections its ports had.

Memory-mapped, so that every write is there for the successor even after a kill -9. One writer at a time.
"""

import json
import mmap
import os
import struct
from pathlib import Path

from improv.play.schedule import LEDGER_SIZE, Ledger

Connections = dict[str, list[str]]  # our port -> the ports it is connected to

_MAGIC = b"improv 1"
_SEQ = len(_MAGIC)
_LEDGER = _SEQ + 8
_NEWEST = _LEDGER + LEDGER_SIZE  # which of the two slots holds the connections
_SLOTS = (4096, 4096 + 16_384)
_SLOT_SIZE = 16_384
_SIZE = _SLOTS[1] + _SLOT_SIZE


class Memory:
    """The open file. Any thread may read; each value has one writing thread."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Open `path`; make it, empty, if it is missing or not ours. Raises OSError."""
        with Path(path).open("a+b") as file:
            file.seek(0)
            if file.read(len(_MAGIC)) != _MAGIC or os.fstat(file.fileno()).st_size != _SIZE:
                file.truncate(0)
                file.write(_MAGIC + bytes(_SIZE - len(_MAGIC)))
                file.flush()
            self._map = mmap.mmap(file.fileno(), _SIZE)
        self._view = memoryview(self._map)
        self.ledger = Ledger(self._view[_LEDGER : _LEDGER + LEDGER_SIZE])

    @property
    def seq(self) -> int:
        """The number of the last human event, over all ports processes of the jam."""
        seq: int = struct.unpack_from("<Q", self._map, _SEQ)[0]
        return seq

    @seq.setter
    def seq(self, value: int) -> None:
        struct.pack_into("<Q", self._map, _SEQ, value)

    @property
    def connections(self) -> Connections:
        """The connections to restore."""
        start = _SLOTS[self._map[_NEWEST] & 1]
        size: int = struct.unpack_from("<I", self._map, start)[0]
        connections: Connections = json.loads(self._map[start + 4 : start + 4 + size]) if size else {}
        return connections

    @connections.setter
    def connections(self, connections: Connections) -> None:
        text = json.dumps(connections).encode()
        if len(text) > _SLOT_SIZE - 4:
            return  # hundreds of peers: the last list that fitted stays
        # Into the slot that is not in use, then one byte to switch: a kill in between leaves the old list whole.
        newest = 1 - (self._map[_NEWEST] & 1)
        start = _SLOTS[newest]
        struct.pack_into(f"<I{len(text)}s", self._map, start, len(text), text)
        self._map[_NEWEST] = newest
