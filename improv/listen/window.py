"""The last notes of the human, as the model sees them."""

from improv.events import Note
from improv.listen.tracker import Change, Onset, Release


class NoteWindow:
    """The last `size` notes. A note enters at its onset; its duration is corrected when it ends.

    `revision` rises with every change, so that an answer can name the window it was thought out from.
    """

    def __init__(self, size: int = 25) -> None:
        self._size = size
        self._onsets: list[Onset] = []
        self._ends: dict[int, float] = {}
        self.revision = 0

    def __len__(self) -> int:
        return len(self._onsets)

    def feed(self, change: Change) -> None:
        """Take in an onset or a release; the release of a note that has left the window changes nothing."""
        match change:
            case Onset():
                self._onsets.append(change)
                # A ghost that settles began before notes that are already here.
                self._onsets.sort(key=lambda onset: onset.at)
                for gone in self._onsets[: -self._size]:
                    self._ends.pop(gone.number, None)
                del self._onsets[: -self._size]
                self.revision += 1
            case Release(number, at):
                if any(onset.number == number for onset in self._onsets):
                    self._ends[number] = at
                    self.revision += 1

    def notes(self, now: float) -> list[Note]:
        """Return the notes in order of onset; one still held has lasted until `now` (seconds)."""
        return [
            Note(onset.pitch, onset.velocity, onset.at, max(0.0, self._ends.get(onset.number, now) - onset.at))
            for onset in self._onsets
        ]
