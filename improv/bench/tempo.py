"""Whether the beat that is heard from playing is the beat: performances from a folder, and their tempo maps."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import mido
import numpy as np
from numpy.typing import NDArray

from improv.beat import Grid
from improv.bench.calls import listed
from improv.bench.figures import Row
from improv.clock import now as clock
from improv.errors import CorpusError, ImprovError
from improv.events import Note
from improv.listen.tempo import CHORD_S, TempoListener
from improv.sessions.performance import load

# A beat this near a true one (seconds) is one; a tempo this near the true one, or half or double, is right.
NEAR_S, NEAR = 0.07, 0.04
# The listener may take this long (seconds) to find the beat.
AFTER_S = 8.0

# Every so often (seconds) it is asked for the beat.
_EVERY_S = 0.25
# Where notes keep to the sixteenths of a tempo map as much as this (mean resultant length), the map is true: one that
# was left at its default has nothing to do with them.
_TRUE = 0.75
# An onset this near (seconds) a beat, or the middle between two, lies on it.
_ON_S = 0.03
_DRUMS = 9
# The tempo may be half the true one, or double.
_OCTAVES = (0.5, 1.0, 2.0)

Beats = NDArray[np.float64]
"""When beats fall (seconds), in order."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What was heard in one performance after its beginning.

    `asked`, `claimed`: how often the listener was asked, and how often it claimed a beat. `on`: of each onset while a
    beat was claimed, whether it lay on the beat as foretold; `chance`: the share of that beat's time that counts as on.
    `beats`, `tempi`, `octaves`: of each claim where the true beats are known, whether the next beat was true, the tempo
    right, and right without halving or doubling. `cost`: seconds for each note.
    """

    asked: int
    claimed: int
    on: tuple[bool, ...]
    chance: tuple[float, ...]
    known: bool
    beats: tuple[bool, ...]
    tempi: tuple[bool, ...]
    octaves: tuple[bool, ...]
    cost: float


def measure(folder: Path, count: int, say: Callable[[str], None]) -> list[Row]:
    """Return how well the beat is heard in `count` performances, evenly spread over `folder`.

    Raises CorpusError where there is no MIDI.
    """
    files = listed(folder)
    some = [files[at] for at in np.linspace(0, len(files) - 1, min(count, len(files))).astype(int)]
    heard: list[Heard] = []
    for number, file in enumerate(some, start=1):
        say(f"tempo: {number} of {len(some)}")
        try:
            notes = load(file).notes
        except ImprovError:
            continue  # a damaged file; there are others
        heard.append(listen(notes, true_beats(file)))
    if not heard:
        raise CorpusError(f"{folder}: no MIDI file there can be read")
    return rows(heard)


def rows(heard: Sequence[Heard]) -> list[Row]:
    """Return what the performances (at least one) come to."""
    return [
        Row(
            "time with a beat that is heard from the playing",
            "%",
            {
                "all": 100 * sum(each.claimed for each in heard) / max(1, sum(each.asked for each in heard)),
                "files": 100 * sum(each.claimed > each.asked / 2 for each in heard) / len(heard),
            },
            note=f"{len(heard)} performances, after {AFTER_S:.0f} s; files: those with a beat most of the time",
        ),
        Row(
            f"onsets within {_ON_S * 1000:.0f} ms of a beat or half a beat, as it was foretold",
            "%",
            {"share": _share(each.on for each in heard), "chance": _share(each.chance for each in heard)},
        ),
        _truth([each for each in heard if each.known]),
        Row("hearing the beat", "ms a note", {"mean": 1000 * sum(each.cost for each in heard) / len(heard)}),
    ]


def _truth(heard: Sequence[Heard]) -> Row:
    what = "beats that are true ones, and tempi that are right"
    if not any(each.beats for each in heard):
        return Row(what, note="no tempo map there is true, or no beat was claimed")
    return Row(
        what,
        "%",
        {
            "beats": _share(each.beats for each in heard),
            "tempo": _share(each.tempi for each in heard),
            "octave": _share(each.octaves for each in heard),
        },
        note=f"{len(heard)} performances with a true tempo map; beats within {NEAR_S * 1000:.0f} ms, tempo within"
        f" {NEAR:.0%}, half and double allowed; octave: neither",
    )


def listen(notes: Sequence[Note], truth: Beats | None) -> Heard:
    """Return what a listener hears in the notes, whose `truth` are the true beats, if they are known."""
    listener = TempoListener()
    asked = claimed = 0
    on: list[bool] = []
    chance: list[float] = []
    beats: list[bool] = []
    tempi: list[bool] = []
    octaves: list[bool] = []
    cost, ask, last = 0.0, AFTER_S, -1.0
    for note in notes:
        while ask < note.onset:
            start = clock()
            grid = listener.grid(ask)
            cost += clock() - start
            asked += 1
            claimed += grid is not None
            if grid is not None and truth is not None:
                beat, tempo, octave = _judge(grid, ask, truth)
                beats.append(beat)
                tempi.append(tempo)
                octaves.append(octave)
            ask += _EVERY_S
        start = clock()
        grid = listener.grid(note.onset)
        listener.onset(note.onset)
        cost += clock() - start
        if grid is not None and note.onset > max(AFTER_S, last + CHORD_S):
            half = grid.beat_at(note.onset) * 2
            on.append(abs(half - round(half)) * grid.period / 2 <= _ON_S)
            chance.append(min(1.0, 4 * _ON_S / grid.period))
        last = note.onset
    return Heard(
        asked,
        claimed,
        tuple(on),
        tuple(chance),
        truth is not None,
        tuple(beats),
        tuple(tempi),
        tuple(octaves),
        cost / len(notes),
    )


def true_beats(path: Path) -> Beats | None:
    """Return when the beats of a MIDI file's tempo map fall, from its first note; None where the map is not true.

    The notes may lie beside the map, all by the same part of a beat: the beat is on the sixteenths that they keep to,
    and of four sixteenths on the one where most and longest notes begin.
    """
    file = mido.MidiFile(path, clip=True)
    ticks, now, tempo = 0, 0.0, 500_000
    map_ticks, map_seconds, onsets = [0], [0.0], []
    for message in mido.merge_tracks(file.tracks):
        ticks += message.time
        now += mido.tick2second(message.time, file.ticks_per_beat, tempo)
        if message.type == "set_tempo":
            tempo = message.tempo
            map_ticks.append(ticks)
            map_seconds.append(now)
        elif message.type == "note_on" and message.velocity and message.channel != _DRUMS:
            onsets.append(ticks)
    map_ticks.append(ticks + file.ticks_per_beat)
    map_seconds.append(now + tempo / 1e6)
    places = np.array(onsets) / file.ticks_per_beat
    sixteenths = np.exp(2j * np.pi * 4 * places).mean()
    if abs(sixteenths) < _TRUE:
        return None
    off = np.angle(sixteenths) / (2 * np.pi) / 4
    nearest = np.round((places - off) * 4).astype(int) % 4
    off += np.bincount(nearest, minlength=4).argmax() / 4
    beats = np.arange(np.ceil(places[0] - off - 1), places[-1] + 1) + off
    seconds = np.interp(beats * file.ticks_per_beat, map_ticks, map_seconds)
    return np.asarray(seconds - np.interp(onsets[0], map_ticks, map_seconds))


def _judge(grid: Grid, at: float, truth: Beats) -> tuple[bool, bool, bool]:
    """Return whether the next beat after `at` is a true one, the tempo right, and right in its octave."""
    here = min(max(int(np.searchsorted(truth, at)), 1), len(truth) - 1)
    # A tempo map's beats may differ one by one, where it follows a player.
    around = truth[max(0, here - 2) : here + 2]
    period = float(around[-1] - around[0]) / (len(around) - 1)
    right = [abs(grid.period / (period * octave) - 1) <= NEAR for octave in _OCTAVES]
    beats = np.sort(np.concatenate([truth, (truth[1:] + truth[:-1]) / 2])) if grid.period < 0.7 * period else truth
    return bool(np.abs(beats - grid.time_at(grid.next(at))).min() <= NEAR_S), any(right), right[1]


def _share(which: Iterable[Iterable[float]]) -> float:
    """Return the mean of all, in percent; 0 of none."""
    kept = list(chain.from_iterable(which))
    return float(100 * sum(kept) / len(kept)) if kept else 0.0
