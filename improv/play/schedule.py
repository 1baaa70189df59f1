"""What will be sent and when, and what is owed: every note-on its note-off, every pedal its lift.

Pure: times are arguments, float seconds of the session clock. Used by the ports process and by `replay`.
"""

import heapq
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import inf
from operator import itemgetter
from typing import NamedTuple, Protocol

from improv.events import SOFT, SOSTENUTO, SUSTAIN, ControlChange, NoteOff, encode

PEDALS = (SUSTAIN, SOSTENUTO, SOFT)
LEDGER_SIZE = 16 * 128 + 16
# A note-on this late (seconds) is dropped with its off: after a stall, silence is better than a heap of notes at once.
TOO_LATE = 0.25
SHORTEST = 0.02  # no note is made shorter than this (seconds) by a change of tempo

_PEDAL_DOWN = 64
_PEDAL_CELLS = 16 * 128
_OFF, _CONTROL, _ON = range(3)  # the order at equal times
_LIFT = -1  # in place of a note's number: a pedal's lift, which no drop may take away
_NOTE_OFF, _NOTE_ON, _CONTROL_CHANGE = 0x80, 0x90, 0xB0

Key = tuple[int, int]  # channel, pitch


class Cells(Protocol):
    """Bytes that can be changed: a bytearray, a view of shared memory."""

    def __getitem__(self, index: int, /) -> int: ...
    def __setitem__(self, index: int, value: int, /) -> None: ...


class Ledger:
    """What sounds because of us, in `LEDGER_SIZE` cells that may outlive the process (shared memory).

    A cell for each (channel, pitch) counts sounding notes; one more for each channel has a bit for each pedal that
    we hold down. Raise before the bytes leave, lower after: whoever reads the cells after a crash may send an off
    too many, never one too few. One writer.
    """

    def __init__(self, cells: Cells) -> None:
        self._cells = cells

    def leaving(self, data: bytes) -> None:
        """Count what `data`, about to be sent, will make sound. Call before sending."""
        channel = data[0] & 0x0F
        if data[0] & 0xF0 == _NOTE_ON:
            cell = channel << 7 | data[1]
            self._cells[cell] = min(255, self._cells[cell] + 1)
        elif _is_pedal(data) and data[2] >= _PEDAL_DOWN:
            self._cells[_PEDAL_CELLS + channel] |= 1 << PEDALS.index(data[1])

    def left(self, data: bytes) -> None:
        """Count what `data`, just sent, has ended. Call after sending."""
        channel = data[0] & 0x0F
        if data[0] & 0xF0 == _NOTE_OFF:
            cell = channel << 7 | data[1]
            self._cells[cell] = max(0, self._cells[cell] - 1)
        elif _is_pedal(data) and data[2] < _PEDAL_DOWN:
            self._cells[_PEDAL_CELLS + channel] &= ~(1 << PEDALS.index(data[1]))

    def owed(self) -> list[bytes]:
        """Return the messages that end everything that sounds: note-offs first, then the lifts of our pedals."""
        offs = [
            encode(NoteOff(cell & 0x7F, cell >> 7)) for cell in range(_PEDAL_CELLS) for _ in range(self._cells[cell])
        ]
        lifts = [
            encode(ControlChange(pedal, 0, channel))
            for channel in range(16)
            for bit, pedal in enumerate(PEDALS)
            if self._cells[_PEDAL_CELLS + channel] >> bit & 1
        ]
        return offs + lifts


@dataclass(frozen=True, slots=True)
class Send:
    """One MIDI message that has to leave now. `due`: when it should; `turn` 0 is thru and set-up."""

    turn: int
    due: float
    data: bytes


class _Entry(NamedTuple):
    """A message that waits. The order of the fields is the order of sending."""

    due: float
    rank: int
    order: int  # keeps the heap stable
    turn: int
    data: bytes
    note: int  # which note-on this begins or ends; 0: a controller

    @property
    def key(self) -> Key:
        return self.data[0] & 0x0F, self.data[1]


@dataclass(frozen=True, slots=True)
class _Sounding:
    note: int
    turn: int
    onset: float


class Schedule:
    """Notes waiting to be sent and notes that sound. Not thread-safe. Never raises on complete MIDI messages."""

    def __init__(self, max_note: float = inf) -> None:
        self._max_note = max_note
        self._queue: list[_Entry] = []
        self._order = 0
        self._notes = 0
        self._sounding: dict[Key, _Sounding] = {}
        self._pedals: dict[Key, int] = {}  # (channel, control) held down, and the turn that holds it

    def add(self, turn: int, events: Iterable[tuple[float, bytes]]) -> None:
        """Schedule the channel messages of `turn` (1 or more), as `encode` writes them, each at its due time.

        Offs are paired with ons here, in time; a note-on whose off is missing or later than the longest note gets one,
        a pedal left down is lifted with the last event, and an off that ends nothing is left out. More of a turn is
        paired in itself.
        """
        waiting: dict[Key, deque[tuple[int, float]]] = {}
        pedals: dict[Key, int] = {}
        last = -inf
        ranked = [(due, _rank(data), data) for due, data in events]
        for due, rank, data in sorted(ranked, key=itemgetter(0, 1)):
            key, last = (data[0] & 0x0F, data[1]), due
            if rank == _ON:
                self._notes += 1
                waiting.setdefault(key, deque()).append((self._notes, due))
                self._push(due, _ON, turn, data, self._notes)
            elif rank == _OFF:
                if waiting.get(key):
                    note, onset = waiting[key].popleft()
                    self._push(min(due, onset + self._max_note), _OFF, turn, data, note)
            else:
                if _is_pedal(data):
                    pedals[key] = data[2]
                self._push(due, _CONTROL, turn, data, 0)
        for (channel, pitch), unpaired in waiting.items():
            for note, onset in unpaired:
                self._push(onset + self._max_note, _OFF, turn, encode(NoteOff(pitch, channel)), note)
        for (channel, pedal), value in pedals.items():
            if value >= _PEDAL_DOWN:
                self._push(last, _CONTROL, turn, encode(ControlChange(pedal, 0, channel)), 0)

    def pop_due(self, now: float) -> list[Send]:
        """Return what is due at or before `now`: at equal times offs, then controllers, then ons.

        A pitch that sounds already gets its off first: synthesizers do not count.
        """
        ready: list[Send] = []
        while self._queue and self._queue[0].due <= now:
            entry = heapq.heappop(self._queue)
            if entry.rank == _ON:
                if now - entry.due <= TOO_LATE:
                    ready += self._begin(entry.note, entry.turn, entry.due, entry.data)
            elif entry.rank == _OFF:
                if self._is_owed(entry):
                    del self._sounding[entry.key]
                    ready.append(Send(entry.turn, entry.due, entry.data))
            elif entry.note != _LIFT or self._pedals.get(entry.key) == entry.turn:
                self._note_pedal(entry.turn, entry.data)
                ready.append(Send(entry.turn, entry.due, entry.data))
        return ready

    def thru(self, now: float, data: bytes) -> list[Send]:
        """Return what to send at once for a channel message of the human.

        Its notes owe their offs like ours, but no cut and no maximum length ends them.
        """
        rank = _rank(data)
        if rank == _ON:
            self._notes += 1
            return self._begin(self._notes, 0, now, data)
        if rank == _OFF:
            key = data[0] & 0x0F, data[1]
            sounding = self._sounding.get(key)
            if sounding is None or sounding.turn:
                return []
            del self._sounding[key]
        else:
            self._note_pedal(0, data)
        return [Send(0, now, data)]

    def drop(self, at: float) -> None:
        """Forget what has not begun. What sounds keeps its owed off; the turns' pedals come up at `at`.

        A pedal that is to come up already, after an earlier drop, does so at its own time.
        """
        self._queue = [entry for entry in self._queue if self._is_owed(entry)]
        heapq.heapify(self._queue)
        lifted = {(entry.key, entry.turn) for entry in self._queue if entry.note == _LIFT}
        for (channel, pedal), turn in self._pedals.items():
            if turn and ((channel, pedal), turn) not in lifted:
                self._push(at, _CONTROL, turn, encode(ControlChange(pedal, 0, channel)), _LIFT)

    def cut(self, at: float, fade: float = 0.0) -> None:
        """Forget what has not begun; let the turns' sounding notes end, and their pedals come up, by `at` + `fade`.

        Each note ends at its own off if that is earlier. The human's thru notes go on.
        """
        end = at + fade
        self.drop(end)
        self._queue = [entry._replace(due=min(entry.due, end)) for entry in self._queue]
        heapq.heapify(self._queue)

    def retime(self, turn: int, now: float, move: Callable[[float], float]) -> bool:
        """Move what waits of `turn` from each due time to `move(due)`, which keeps the order; say whether anything did.

        Nothing is due before `now`. A note-on that would have been, by more than `TOO_LATE`, is dropped with its off.
        Notes stay between `SHORTEST` and the longest.
        """
        if not any(entry.turn == turn for entry in self._queue):
            return False
        onsets = {sounding.note: sounding.onset for sounding in self._sounding.values()}
        moved: list[_Entry] = []
        for entry in sorted(self._queue):
            due = entry.due
            if entry.turn == turn:
                due = move(entry.due)
                if entry.rank == _ON:
                    if due < now - TOO_LATE:
                        continue
                    onsets[entry.note] = max(due, now)
                elif entry.rank == _OFF:
                    onset = onsets.get(entry.note)
                    if onset is None:  # its note-on was dropped, or struck again
                        continue
                    due = min(max(due, onset + SHORTEST), onset + self._max_note)
                due = max(due, now)
            moved.append(entry._replace(due=due, order=len(moved)))
        self._order = len(moved)
        heapq.heapify(moved)
        self._queue = moved
        return True

    def last_off(self) -> float:
        """Return when the last of what sounds ends, `-inf` if nothing does."""
        return max((entry.due for entry in self._queue if entry.rank == _OFF and self._is_owed(entry)), default=-inf)

    def release(self, now: float) -> list[Send]:
        """Forget everything and return what ends all that sounds, thru included: offs, then lifts of pedals."""
        offs = [
            Send(sounding.turn, now, encode(NoteOff(pitch, channel)))
            for (channel, pitch), sounding in self._sounding.items()
        ]
        lifts = [
            Send(turn, now, encode(ControlChange(pedal, 0, channel))) for (channel, pedal), turn in self._pedals.items()
        ]
        self._queue.clear()
        self._sounding.clear()
        self._pedals.clear()
        return offs + lifts

    def next_due(self) -> float:
        """Return when the next message is due, `inf` when nothing waits."""
        return self._queue[0].due if self._queue else inf

    def busy(self, turn: int) -> bool:
        """Say whether anything of `turn` waits or sounds."""
        return any(entry.turn == turn for entry in self._queue) or any(
            sounding.turn == turn for sounding in self._sounding.values()
        )

    def _push(self, due: float, rank: int, turn: int, data: bytes, note: int) -> None:
        self._order += 1
        heapq.heappush(self._queue, _Entry(due, rank, self._order, turn, data, note))

    def _begin(self, note: int, turn: int, due: float, data: bytes) -> list[Send]:
        key = data[0] & 0x0F, data[1]
        before = self._sounding.pop(key, None)
        self._sounding[key] = _Sounding(note, turn, due)
        on = Send(turn, due, data)
        return [on] if before is None else [Send(before.turn, due, encode(NoteOff(key[1], key[0]))), on]

    def _is_owed(self, entry: _Entry) -> bool:
        if entry.rank == _OFF:
            sounding = self._sounding.get(entry.key)
            return sounding is not None and sounding.note == entry.note
        return entry.note == _LIFT

    def _note_pedal(self, turn: int, data: bytes) -> None:
        if _is_pedal(data):
            key = data[0] & 0x0F, data[1]
            self._pedals.pop(key, None)
            if data[2] >= _PEDAL_DOWN:
                self._pedals[key] = turn


def _rank(data: bytes) -> int:
    return {_NOTE_OFF: _OFF, _NOTE_ON: _ON}.get(data[0] & 0xF0, _CONTROL)


def _is_pedal(data: bytes) -> bool:
    return data[0] & 0xF0 == _CONTROL_CHANGE and data[1] in PEDALS
