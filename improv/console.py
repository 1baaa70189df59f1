"""What the player reads in the terminal: calm, plain lines on standard error, one for each fact."""

import sys

from improv.ports.link import PortState


class Console:
    """`quiet` leaves only what went wrong. Any thread; never raises, not even when the terminal has been closed."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._state: PortState | None = None

    def ready(self, model: str, seed: int) -> None:
        """Say that the musician is there."""
        self._say(f"ready: model {model}, seed {seed}. Play; Ctrl-C ends.")

    def ports(self, state: PortState) -> None:
        """Say what has changed since the last state of the ports."""
        before, self._state = self._state, state
        known = {} if before is None else dict((*before.inputs, before.output))
        for way, (name, there) in [*(("in", port) for port in state.inputs), ("out", state.output)]:
            if not name:
                continue  # no MIDI system: players and listeners in software only
            if name not in known:
                self._say(f"{way:<6} {name} ({state.backend}){'' if there else ', not there yet: waiting'}")
            elif there != known[name]:
                self._say(f"{way:<6} {name} {'is back' if there else 'has gone; waiting for it'}")
        if before is not None and state.connected != before.connected:
            self._say(f"ports  connected: {', '.join(state.connected) or 'nothing'}")
        if state.message and (before is None or state.message != before.message):
            self.trouble(state.message)

    def heard(self, notes: int, length: float) -> None:
        """Tell the player's phrase, `length` in seconds."""
        self._say(f"you    {_notes(notes)}, {length:.1f} s")

    def answered(self, notes: int, length: float, *, cut: bool) -> None:
        """Tell our answer, `length` in seconds; `cut` if the player played into it."""
        self._say(f"improv {_notes(notes)}, {length:.1f} s{', then yielded' if cut else ''}")

    def say(self, text: str) -> None:
        """Tell anything else, unless quiet."""
        self._say(text)

    def trouble(self, text: str) -> None:
        """Tell what went wrong; the jam goes on."""
        _print(f"improv: {text}")

    def _say(self, text: str) -> None:
        if not self._quiet:
            _print(text)


def _notes(count: int) -> str:
    return f"{count:>2} note{'' if count == 1 else 's'}"


def _print(line: str) -> None:
    try:
        # One write, so that lines of several processes do not mix.
        sys.stderr.write(line + "\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        return
