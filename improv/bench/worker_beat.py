"""Program: a JACK client that plays a score in time, and writes down when it hears what.

`worker_beat.py SERVER NAME SCORE RESULT`: SCORE is JSON, a list of [seconds, port, message in hexadecimal] in order,
seconds from the start. Port 0 is for improv, port 1 for a bare echo. It says "there" once its ports are, plays when a
line comes in, and writes RESULT as JSON: the `start` on our clock, and what was `played` and `heard` as [seconds, port,
message] from there.

Each message lies at its frame in JACK's period, and a period at the moment of its callback. JACK's own count of frames
would not do: its dummy driver stops counting whenever it is late, and a sound card does not.

A process of its own: a callback in Python that waits for its interpreter misses its period, and JACK drops its events.
"""

import json
import sys
import time
from collections import deque
from pathlib import Path

import jack

from improv.clock import now

_LEAD_S = 0.5
_LOOK_S = 0.02
_AFTER_S = 0.25

Message = tuple[float, int, str]


class Player:
    """The client. Its callback plays what is due in its period, at its frame, and notes what comes in."""

    def __init__(self, server: str, name: str, score: list[Message]) -> None:
        self.client = jack.Client(name, servername=server, no_start_server=True, use_exact_name=True)
        self._rate = self.client.samplerate
        self._outs = [self.client.midi_outports.register(f"out {port}") for port in range(2)]
        self._ins = [self.client.midi_inports.register(f"in {port}") for port in range(2)]
        self._score = deque((at, port, bytes.fromhex(message)) for at, port, message in score)
        self._end = self._score[-1][0] + _AFTER_S
        self.start: float | None = None
        self.over = False
        self.played: list[Message] = []
        self.heard: list[Message] = []
        self.client.set_process_callback(self._process)
        self.client.activate()

    def play(self) -> None:
        """Play the score to its end."""
        self.start = now() + _LEAD_S
        while not self.over:
            time.sleep(_LOOK_S)

    def _process(self, frames: int) -> None:
        for out in self._outs:
            out.clear_buffer()
        if self.start is None:
            return
        begin = now() - self.start
        while self._score and (frame := int((self._score[0][0] - begin) * self._rate)) < frames:
            _, port, message = self._score.popleft()
            frame = max(0, frame)  # a period came late: as soon as it can be
            self._outs[port].write_midi_event(frame, message)
            self.played.append((begin + frame / self._rate, port, message.hex()))
        for port, heard in enumerate(self._ins):
            for frame, data in heard.incoming_midi_events():
                self.heard.append((begin + frame / self._rate, port, bytes(data).hex()))
        self.over = begin > self._end


def main() -> None:
    """Play once."""
    server, name, score, result = sys.argv[1:]
    sys.setswitchinterval(0.0002)
    player = Player(server, name, json.loads(Path(score).read_text()))
    print("there", flush=True)  # noqa: T201 - to whoever started us
    sys.stdin.readline()
    player.play()
    player.client.deactivate(ignore_errors=True)
    found = {"start": player.start, "played": player.played, "heard": player.heard}
    Path(result).write_text(json.dumps(found))
    player.client.close(ignore_errors=True)
    print("over", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
