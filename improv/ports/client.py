"""The caller's end of the link to the ports process. Blocking; for one thread that sends and one that receives."""

from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection

from improv.errors import PortError
from improv.ports.link import FromPorts, Hello, ToPorts
from improv.ports.spec import Address


class Link:
    """An open connection. The end of the ports process shows as EOFError or OSError."""

    def __init__(self, connection: "Connection[ToPorts, FromPorts]") -> None:
        self._connection = connection

    def send(self, message: ToPorts) -> None:
        """Say something. Raises OSError when the ports process is gone."""
        self._connection.send(message)

    def recv(self) -> FromPorts:
        """Wait for the next message. Raises EOFError or OSError when the ports process is gone."""
        return self._connection.recv()

    def poll(self, timeout: float = 0.0) -> bool:
        """Wait up to `timeout` seconds; say whether `recv` would return (or raise) at once."""
        return self._connection.poll(timeout)

    def fileno(self) -> int:
        """Return the descriptor, for event loops."""
        return self._connection.fileno()

    def close(self) -> None:
        """Hang up."""
        self._connection.close()


def connect(address: Address, authkey: bytes, hello: Hello) -> Link:
    """Dial in and say `hello`; the first answer is a `Welcome`.

    Raises OSError when nobody listens, PortError when whoever listens is not our ports process.
    """
    try:
        link = Link(Client(address, authkey=authkey))
    except (AuthenticationError, EOFError) as error:
        raise PortError(f"what listens at {address} is not the ports process of this jam") from error
    link.send(hello)
    return link
