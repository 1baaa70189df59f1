"""The folder of a running jam, and the lock on it: one jam for each port name and MIDI system."""

import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Self, TextIO

from improv.errors import ImprovError

# The path of a local socket may be this long (104 on macOS, 108 on Linux).
_LONGEST = 100


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
        stem = "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in key)[:40]
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

    def close(self) -> None:
        """Remove the folder and free the lock. Idempotent."""
        shutil.rmtree(self.folder, ignore_errors=True)
        if self._lock is not None:
            # The file stays: were it removed, two processes could lock two files of one name.
            self._lock.truncate(0)
            self._lock.close()
            self._lock = None


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
