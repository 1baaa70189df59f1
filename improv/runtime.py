"""The folder of a running jam, and the lock on it: one jam for each port name and MIDI system.

Other processes of the same user find the jam by its folder, and the key to its ports process in there.
"""

import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self, TextIO

from improv.errors import ImprovError, PortError
from improv.settings import Settings

if TYPE_CHECKING:
    from improv.ports.client import Link

# The path of a local socket may be this long (104 on macOS, 108 on Linux).
_LONGEST = 100
_KEY = "key"  # the file in the folder
_ANSWER_S = 2.0


class Runtime:
    """A private folder that only the jam of this key has, removed with `close`.

    The lock is the kernel's: it is free again when its holder dies, however that happens.
    """

    def __init__(self, key: str | None) -> None:
        """Take the folder of `key`; of None, a new one. Raises ImprovError naming the process that has it."""
        home = _home()
        self._lock: TextIO | None = None
        if key is None:
            self.folder = Path(tempfile.mkdtemp(prefix="jam-", dir=home))
            return
        stem = _stem(key)
        self.folder = home / stem
        self._lock = _taken(home / f"{stem}.lock")
        # What lies there was left behind by a jam that was killed.
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(mode=0o700)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def address(self) -> str:
        """Where the ports process listens (`multiprocessing.connection`)."""
        return rf"\\.\pipe\improv-{os.getpid()}" if sys.platform == "win32" else str(self.folder / "link")

    def free_address(self) -> None:
        """Remove the socket that a killed ports process has left."""
        if sys.platform != "win32":
            Path(self.address).unlink(missing_ok=True)

    @property
    def memory(self) -> str:
        """The file that outlives a ports process."""
        return str(self.folder / "memory")

    @property
    def key_file(self) -> Path:
        """Where `share` leaves address and key, for `dial_running`."""
        return self.folder / _KEY

    def share(self, authkey: bytes) -> None:
        """Let other processes of this user, and nobody else, dial in. Raises ImprovError."""
        fresh = self.folder / f"{_KEY}.new"
        try:
            fresh.touch(mode=0o600)
            fresh.write_text(json.dumps({"address": self.address, "authkey": authkey.hex()}), encoding="utf-8")
            fresh.replace(self.key_file)
        except OSError as error:
            raise ImprovError(f"{self.folder}: {error.strerror}") from error

    def close(self) -> None:
        """Remove the folder and free the lock. Idempotent."""
        shutil.rmtree(self.folder, ignore_errors=True)
        if self._lock is not None:
            # The file stays: were it removed, two processes could lock two files of one name.
            self._lock.truncate(0)
            self._lock.close()
            self._lock = None


def lock_key(settings: Settings) -> str | None:
    """Name what only one jam at a time can have: ports of one name in one MIDI system. None: it has no ports.

    Raises PortError for a MIDI system that this machine cannot have.
    """
    from improv.ports.midi import resolve  # noqa: PLC0415 - brings the drivers

    system = resolve(settings.ports.backend)
    if system == "none":
        return None
    server = os.environ.get("JACK_DEFAULT_SERVER", "") if system == "jack" else ""
    return "-".join(filter(None, (settings.ports.name, system, server)))


def dial_running(settings: Settings, name: str = "remote") -> "Link":
    """Dial in to this user's jam on the ports of `settings`, as a remote called `name`; its `Welcome` has been heard.

    Where no jam has these ports, the only one that runs is meant. Raises PortError when there is none, or several.
    """
    home, key = _home(), lock_key(settings)
    if key is not None and (link := _dial(home / _stem(key), name)):
        return link
    links = [link for file in sorted(home.glob(f"*/{_KEY}")) if (link := _dial(file.parent, name))]
    if len(links) == 1:
        return links[0]
    for link in links:
        link.close()
    raise PortError(
        "several jams are running, none of them on these ports: name its ports (ports.name, --backend)"
        if links
        else "no jam is running; start one with: improv jam"
    )


def _dial(folder: Path, name: str) -> "Link | None":
    """Return a connection to the jam of `folder`; None if there is none, or it does not answer."""
    from improv.ports.client import connect  # noqa: PLC0415 - brings multiprocessing
    from improv.ports.link import Hello, Role  # noqa: PLC0415

    try:
        shared = json.loads((folder / _KEY).read_text(encoding="utf-8"))
        link = connect(shared["address"], bytes.fromhex(shared["authkey"]), Hello(Role.REMOTE, name))
        if link.poll(_ANSWER_S):
            link.recv()
            return link
        link.close()
    except (OSError, EOFError, ValueError, KeyError, TypeError, PortError):
        pass  # left behind by a jam that was killed, or just ending
    return None


def _stem(key: str) -> str:
    """Return what the files of `key` are called."""
    return "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in key)[:40]


def _taken(path: Path) -> TextIO:
    """Return the lock file `path`, locked by us. Raises ImprovError."""
    file = path.open("a+", encoding="utf-8")
    try:
        _lock(file)
    except OSError as error:
        file.seek(0)
        who = file.read().strip() or "another process"
        file.close()
        raise ImprovError(
            f"improv is already running on these ports ({who}); stop it, or give this one another name (ports.name)"
        ) from error
    file.truncate(0)
    file.write(f"process {os.getpid()}, since {time.strftime('%Y-%m-%d %H:%M:%S')}")
    file.flush()
    return file


def _home() -> Path:
    """Return a folder that only this user can enter. Raises ImprovError."""
    bases = [os.environ.get("XDG_RUNTIME_DIR", ""), tempfile.gettempdir(), "/tmp"]  # noqa: S108 - the folder is checked
    user = os.getuid() if sys.platform != "win32" else os.environ.get("USERNAME", "user")
    for base in bases:
        home = Path(base) / f"improv-{user}"
        if not base or len(str(home)) > _LONGEST - 50:
            continue
        try:
            home.mkdir(mode=0o700, exist_ok=True)
            facts = home.lstat()
        except OSError:
            continue
        if sys.platform == "win32" or (facts.st_uid == user and not facts.st_mode & 0o077 and home.is_dir()):
            return home
    raise ImprovError(f"no private folder can be made in {' or '.join(filter(None, bases))}")


def _lock(file: TextIO) -> None:
    """Lock `file` until it is closed. Raises OSError if another process has it."""
    if sys.platform == "win32":
        import msvcrt  # noqa: PLC0415

        file.seek(1 << 20)  # beyond what is read: locked bytes cannot be read on Windows
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl  # noqa: PLC0415

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
