"""Program: a JACK client that plays a score at the very frames it names, and writes down the frames of what it hears.

`worker_beat.py SERVER SCORE RESULT`: SCORE is JSON, a list of [frame, port, message in hexadecimal] in order, frames
from the start. Port 0 is for improv, port 1 for a bare echo. It says "there" once its ports are, plays when a line
comes in, and writes RESULT as JSON: the frame of the `start`, what was `played` and `heard` as [frame, port, message]
from there, and pairs of our `clock` (seconds) with JACK's frame from there.

A process of its own: a callback in Python that waits for its interpreter misses its period, and JACK drops its events.
"""

import json
import sys
import time
from collections import deque
from pathlib import Path

import jack

from improv.clock import now

NAME = "bench sequencer"
LEAD_FRAMES = 24_000
_LOOK_S = 0.1
_TRIES = 5
_AFTER_FRAMES = 12_000

Message = tuple[int, int, str]


class Player:
    """The client. Its callback plays what is due in its period, at its frame, and notes what comes in."""

    def __init__(self, server: str, score: list[Message]) -> None:
        self.client = jack.Client(NAME, servername=server, no_start_server=True, use_exact_name=True)
        self._outs = [self.client.midi_outports.register(f"out {port}") for port in range(2)]
        self._ins = [self.client.midi_inports.register(f"in {port}") for port in range(2)]
        self._score = deque((frame, port, bytes.fromhex(message)) for frame, port, message in score)
        self._end = self._score[-1][0] + _AFTER_FRAMES
        self.start: int | None = None
        self.over = False
        self.played: list[Message] = []
        self.heard: list[Message] = []
        self.clock: list[tuple[float, int]] = []
        self.client.set_process_callback(self._process)
        self.client.activate()

    def play(self) -> None:
        """Play the score to its end, and compare the clocks meanwhile."""
        self.start = start = self.client.last_frame_time + LEAD_FRAMES
        while not self.over:
            # Of a few looks at both clocks the quickest: between two reads anything may happen.
            looks = []
            for _ in range(_TRIES):
                before = now()
                frame = self.client.frame_time
                after = now()
                looks.append((after - before, (before + after) / 2, frame - start))
            self.clock.append(min(looks)[1:])
            time.sleep(_LOOK_S)

    def _process(self, frames: int) -> None:
        for out in self._outs:
            out.clear_buffer()
        if self.start is None:
            return
        begin = self.client.last_frame_time - self.start
        while self._score and self._score[0][0] < begin + frames:
            frame, port, message = self._score.popleft()
            offset = max(0, frame - begin)  # a missed period: as soon as it can be
            self._outs[port].write_midi_event(offset, message)
            self.played.append((begin + offset, port, message.hex()))
        for port, heard in enumerate(self._ins):
            for offset, data in heard.incoming_midi_events():
                self.heard.append((begin + offset, port, bytes(data).hex()))
        self.over = begin > self._end


def main() -> None:
    """Play once."""
    server, score, result = sys.argv[1:]
    sys.setswitchinterval(0.0002)
    player = Player(server, json.loads(Path(score).read_text()))
    print("there", flush=True)  # noqa: T201 - to whoever started us
    sys.stdin.readline()
    player.play()
    player.client.deactivate(ignore_errors=True)
    found = {"start": player.start, "played": player.played, "heard": player.heard, "clock": player.clock}
    Path(result).write_text(json.dumps(found))
    player.client.close(ignore_errors=True)
    print("over", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
