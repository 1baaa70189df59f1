"""Our own messages, coming back: a keyboard with local control, a DAW that passes on what it hears.

Pure: times are arguments, float seconds of the session clock.
"""

from math import inf

from improv.events import Event, NoteOff, NoteOn

_KEPT = 512


class Echoes:
    """What would be an echo, within `window` seconds after we have sent it. Not thread-safe."""

    def __init__(self, window: float) -> None:
        self._window = window
        self._until: dict[bytes, float] = {}
        self._dropped: set[tuple[str, int, int]] = set()  # note-ons taken for echoes, whose offs must go too

    def expect(self, at: float, data: bytes) -> None:
        """Take what we send at `at` for an echo from now on."""
        self._until[_key(data)] = at + self._window

    def forget(self, at: float) -> None:
        """Forget what cannot come back after `at` any more, if there is much to remember."""
        if len(self._until) > _KEPT:
            self._until = {key: until for key, until in self._until.items() if until >= at}

    def lose(self, port: str) -> None:
        """Forget a port that is gone."""
        self._dropped = {note for note in self._dropped if note[0] != port}

    def has(self, at: float, port: str, event: Event, data: bytes, *, is_held: bool) -> bool:
        """Say whether `event`, as `data`, is one. `is_held`: a note's key, which the player holds at `port`."""
        echo = at <= self._until.get(_key(data), -inf)
        if isinstance(event, NoteOn):
            note = (port, event.channel, event.pitch)
            self._dropped.discard(note)
            if echo:
                self._dropped.add(note)
        elif isinstance(event, NoteOff):
            note = (port, event.channel, event.pitch)
            if note in self._dropped:
                self._dropped.discard(note)
                return True
            # Held before our note sounded: this is the finger coming up, not our off coming back.
            return echo and not is_held
        return echo


def _key(data: bytes) -> bytes:
    """Return what an echo is known by: a note's channel, pitch and on or off; all the bytes of the rest."""
    return data[:2] if data[0] & 0xE0 == 0x80 else data
