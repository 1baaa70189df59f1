"""Program: on JACK, answer each note with note-offs, from python-rtmidi's own callback, until standard input ends.

The floor of a barge-in: what the driver, the server and one Python callback take.
"""

import sys

import rtmidi


def main() -> None:
    """Echo until the end."""
    offs = int(sys.argv[1])
    midi_out = rtmidi.MidiOut(rtmidi.API_UNIX_JACK, "bare out")
    midi_out.open_virtual_port("midi")
    midi_in = rtmidi.MidiIn(rtmidi.API_UNIX_JACK, "bare in")

    def on_message(event: tuple[list[int], float], _data: object) -> None:
        if event[0][0] & 0xF0 == 0x90:
            for pitch in range(offs):
                midi_out.send_message([0x80, 48 + pitch, 0])

    midi_in.set_callback(on_message)
    midi_in.open_virtual_port("midi")
    sys.stdin.read()


if __name__ == "__main__":
    main()
