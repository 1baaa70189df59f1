"""A JACK client in a process of its own, run by `conftest.py`: it plays and hears MIDI, or records sound.

A Python callback in the test's own process would wait for its interpreter, miss its period and lose MIDI events.
Started as `client.py midi SERVER NAME` it plays each line of hexadecimal messages on its standard input at once, or,
if the line begins with "@TIME ", at that time, to the frame and one period late, in the order of the lines; and it
writes a line "time message" for each it hears. `client.py sound SERVER NAME FILE` records its port "in" into
FILE, each period as its time (a double) and its samples (floats). It leaves at the end of its input.
"""

import contextlib
import struct
import sys
import threading
from collections import deque
from pathlib import Path
from time import perf_counter, sleep

import jack

kind, server, name, *files = sys.argv[1:]
sys.setswitchinterval(0.0002)
client = jack.Client(name, servername=server, no_start_server=True, use_exact_name=True)
taken = deque()
to_play = deque()
to_come = deque()


def write_out():
    while True:
        sleep(0.002)
        while taken:
            at, data = taken.popleft()
            print(at, data.hex(), flush=not taken)  # noqa: T201


def record():
    with Path(files[0]).open("wb", buffering=0) as file:
        while True:
            sleep(0.02)
            file.write(
                b"".join(struct.pack("d", at) + block for at, block in (taken.popleft() for _ in range(len(taken))))
            )


if kind == "midi":
    out, heard = client.midi_outports.register("out"), client.midi_inports.register("in")

    @client.set_process_callback
    def process(frames):
        out.clear_buffer()
        while to_play:
            out.write_midi_event(0, to_play.popleft())
        begin = perf_counter() - (client.frames_since_cycle_start + frames) / client.samplerate
        while to_come and (frame := int((to_come[0][0] - begin) * client.samplerate)) < frames:
            out.write_midi_event(max(0, frame), to_come.popleft()[1])
        for _, data in heard.incoming_midi_events():
            taken.append((perf_counter(), bytes(data)))

else:
    port = client.inports.register("in")

    @client.set_process_callback
    def process(_frames):
        taken.append((perf_counter(), bytes(port.get_buffer())))


client.activate()
threading.Thread(target=write_out if kind == "midi" else record, daemon=True).start()
print("ready", flush=True)  # noqa: T201
for line in sys.stdin:
    if line.startswith("@"):
        due, *messages = line[1:].split()
        to_come.extend((float(due), bytes.fromhex(message)) for message in messages)
    else:
        to_play.extend(bytes.fromhex(message) for message in line.split())
with contextlib.suppress(jack.JackError):
    client.deactivate()
    client.close()
