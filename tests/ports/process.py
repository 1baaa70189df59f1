"""What a ports process is made of, in this process: gate, loop, link and memory, and an output that takes notes."""

import threading
from pathlib import Path
from typing import Any, Self

import pytest

from improv.clock import now
from improv.play.gate import Gate, Policy
from improv.ports.client import Link, connect
from improv.ports.link import Hello, Welcome
from improv.ports.loop import Loop
from improv.ports.memory import Memory
from improv.ports.server import Server

PATIENCE = 10.0


class Process:
    """Listens at `address` from the start to the end of a `with`; `sent` has (at, message)."""

    def __init__(self, folder: Path, address: str, authkey: bytes = b"key", policy: Policy | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._address, self._authkey = address, authkey
        self.loop = Loop(Gate(policy or Policy()), Memory(folder / "memory"), 1, lambda: None)
        self._server = Server(address, authkey, self.loop)
        self._thread = threading.Thread(target=self.loop.run, daemon=True)
        self._links: list[Link] = []
        self.sent: list[tuple[float, bytes]] = []

    def __enter__(self) -> Self:
        self.loop.call(lambda: self.loop.open_output(lambda data: self.sent.append((now(), data))))
        self._thread.start()
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        for link in self._links:
            link.close()
        self._server.close()
        self.loop.call(self.loop.stop)
        self._thread.join(PATIENCE)

    def call(self, hello: Hello) -> Link:
        """Return a connection that has been welcomed."""
        link = connect(self._address, self._authkey, hello)
        self._links.append(link)
        self.listen(link, Welcome)
        return link

    def listen(self, link: Link, kind: type, *passed_over: Any) -> Any:
        """Return the next message of a kind; what comes before it is added to `passed_over`, if that is given."""
        deadline = now() + PATIENCE
        while link.poll(max(0.0, deadline - now())):
            message = link.recv()
            if isinstance(message, kind):
                return message
            for messages in passed_over:
                messages.append(message)
        return pytest.fail(f"waited for {kind.__name__}")
