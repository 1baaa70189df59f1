"""The listening end of the link: a thread that reads and a thread that writes for each caller.

No caller can block the deadline thread: what it is told waits in a queue, and whoever lets that fill is hung up on.
"""

import logging
import socket
import threading
from collections.abc import Callable
from functools import partial
from multiprocessing import AuthenticationError
from multiprocessing.connection import Connection, Listener, answer_challenge, deliver_challenge
from queue import SimpleQueue
from typing import Any, Protocol

from improv.clock import now as clock
from improv.ports.link import FromPorts, Hello, Play, ToPorts
from improv.ports.spec import Address

UNREAD = 16_384  # messages a caller may leave unread: minutes of playing

_log = logging.getLogger(__name__)


class Host(Protocol):
    """Who owns the callers: the deadline loop."""

    def call(self, what: Callable[[], object]) -> None:
        """Have `what` called on the host's thread. Any thread; the rest is for `what`."""

    def attach(self, caller: "Caller") -> None:
        """Take up a caller who has said hello."""

    def detach(self, caller: "Caller") -> None:
        """Let go of a caller who has hung up."""

    def obey(self, caller: "Caller", message: ToPorts) -> None:
        """Do what a caller asks."""

    def play(self, caller: "Caller", at: float, data: bytes) -> None:
        """Hear a player in software."""


class Caller:
    """One connection. `send` and `close` never block."""

    def __init__(self, connection: "Connection[FromPorts, ToPorts]", hello: Hello) -> None:
        self.hello = hello
        self._connection = connection
        self._unread: SimpleQueue[FromPorts | None] = SimpleQueue()
        self._open = True

    def send(self, message: FromPorts) -> None:
        """Queue a message; hang up on a caller who does not read."""
        if self._unread.qsize() >= UNREAD:
            self.close()
        elif self._open:
            self._unread.put(message)

    def close(self) -> None:
        """Hang up. Both threads of the caller end, even one that is blocked in the system."""
        if self._open:
            self._open = False
            _hang_up(self._connection)
            self._unread.put(None)

    def write(self) -> None:
        """Pass on what is queued, until the connection ends. The caller's own writing thread."""
        try:
            while (message := self._unread.get()) is not None and self._open:
                self._connection.send(message)
        except OSError:
            self.close()

    def read(self, host: Host) -> None:
        """Hand on what the caller says, until the connection ends. The caller's own reading thread."""
        while True:
            message = self._connection.recv()
            if isinstance(message, Play):
                at = clock()
                if message.at is not None:
                    at = min(at, message.at)
                host.call(partial(host.play, self, at, message.data))
            else:
                host.call(partial(host.obey, self, message))


class Server:
    """Listens for callers. Whoever does not know the key is turned away."""

    def __init__(self, address: Address, authkey: bytes, host: Host) -> None:
        """Listen at `address`. Raises OSError if that is not possible."""
        self._authkey = authkey
        self._host = host
        # No key here: the listener would check it in `accept`, where one dumb caller keeps all others waiting.
        self._listener = Listener(address, backlog=8)
        self._accepting = True

    def start(self) -> None:
        """Begin to answer."""
        threading.Thread(target=self._accept, name="listener", daemon=True).start()

    def close(self) -> None:
        """Stop listening; connections go on."""
        self._accepting = False
        self._listener.close()

    def _accept(self) -> None:
        while self._accepting:
            try:
                connection = self._listener.accept()
            except OSError:
                if self._accepting:
                    _log.exception("a caller was lost")
                continue
            threading.Thread(target=self._serve, args=(connection,), name="caller", daemon=True).start()

    def _serve(self, connection: "Connection[Any, Any]") -> None:
        caller: Caller | None = None
        try:
            deliver_challenge(connection, self._authkey)
            answer_challenge(connection, self._authkey)
            hello = connection.recv()
            if isinstance(hello, Hello):
                caller = Caller(connection, hello)
                threading.Thread(target=caller.write, name="writer", daemon=True).start()
                self._host.call(partial(self._host.attach, caller))
                caller.read(self._host)
        except (OSError, EOFError, AuthenticationError):
            pass  # hung up, on whichever side
        except Exception:  # noqa: BLE001  (what is sent may be no message at all; it hurts nobody but its sender)
            _log.exception("a caller said something strange")
        finally:
            if caller:
                caller.close()
                self._host.call(partial(self._host.detach, caller))
            connection.close()


def _hang_up(connection: "Connection[Any, Any]") -> None:
    """Wake threads blocked in `connection`: closing its descriptor alone would leave a blocked write blocked."""
    try:
        with socket.socket(fileno=connection.fileno()) as end:
            try:
                end.shutdown(socket.SHUT_RDWR)
            finally:
                end.detach()
    except OSError:  # not a socket (a Windows pipe), or closed already
        pass
