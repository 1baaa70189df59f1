"""Notes drawn to the beat: the player's swing, an answer's onsets and its end.

Pure. Places are in beats of a `Grid`; a note's own onset and duration are in seconds.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate, groupby
from math import ceil, floor, hypot, inf, sqrt
from operator import attrgetter
from statistics import median

from improv.beat import Grid
from improv.events import Note

STRAIGHT, MOST_SWUNG = 0.5, 0.75
# Onsets nearer than this (seconds) to the first of a chord belong to it.
_CHORD_S = 0.04
_SHORTEST_S = 0.05
# Off-beats count this far back (beats): the grid is the present one, and tempi drift.
_RECENT = 16.0
# Onsets this near a beat (beats) are on it; an eighth between beats falls in `_OFF_BEAT`.
_ON_BEAT, _NEXT_BEAT = 0.12, 0.88
_OFF_BEAT = (0.4, 0.8)
_FEWEST_OFF_BEATS = 4
# Median distance from the median (beats) of off-beats that agree; eighths spread evenly over `_OFF_BEAT` have 0.1.
_AGREED = 0.07
# Less swing than this is unevenness.
_LEAST_SWUNG = 0.54
_TRIPLETS = (0.0, 1 / 3, 2 / 3, 1.0)
# A beat is in triplets where the sixteenths miss its onsets by this much (beats), triplets by this share of it: where
# only one onset speaks for them, by less.
_MISSED, _SHARE, _SHARE_ALONE = 0.04, 0.5, 0.25
# A beat of more onsets is a run or trill quicker than the lines.
_FULLEST = 5
# A note that sounds this little (beats) into a beat ended with the beat before.
_OVER = 0.1


def swing_of(onsets: Sequence[float], grid: Grid) -> float:
    """Return where in the beat the player's off-beat eighths fall: 0.5 straight, 0.667 in triplets, 0.75 at most.

    `onsets` in seconds, in any order; the last 16 beats of them count. An off-beat eighth is the only onset between two
    beats: with more, they are sixteenths or triplets, which have no swing to tell. 0.5 when unsure: with too few of
    them, or scattered ones.
    """
    firsts = _firsts(sorted(onsets))
    places = [grid.beat_at(onset) for onset in firsts]
    between: dict[int, list[float]] = {}
    for place in places:
        beat = floor(place)
        if place > places[-1] - _RECENT and _ON_BEAT < place - beat < _NEXT_BEAT:
            between.setdefault(beat, []).append(place - beat)
    earliest, latest = _OFF_BEAT
    eighths = [inner[0] for inner in between.values() if len(inner) == 1 and earliest <= inner[0] <= latest]
    if len(eighths) < _FEWEST_OFF_BEATS:
        return STRAIGHT
    middle = median(eighths)
    if middle < _LEAST_SWUNG or median(abs(eighth - middle) for eighth in eighths) > _AGREED:
        return STRAIGHT
    return min(middle, MOST_SWUNG)


def quantised(
    notes: tuple[Note, ...],
    start: float,
    grid: Grid,
    strength: float,
    swing: float = STRAIGHT,
    *,
    opens: bool = True,
) -> tuple[Note, ...]:
    """Return the notes with their onsets drawn by `strength` (0-1) towards the lines of the grid, in the same order.

    Onsets are seconds, ascending, from the answer's first moment, which lies at `start` (beats). The lines are
    sixteenths, with the off-beat eighth at `swing` and the sixteenths halfway; triplet eighths in a beat that fits them
    clearly better; the beat alone in one with more onsets than lines. Of several onsets that fall to the same line, the
    nearest goes there; the others keep their place between their neighbours, so that a grace note stays one.

    Chords move as one. Nothing moves before the first moment. With `opens` the first onset stays where it is; in a part
    of a stream it is drawn like all others. A note keeps its length (at least 0.05 s), cut short only where it would
    now run into a repeat of its pitch that it did not touch before.
    """
    if not notes or strength == 0:
        return notes
    groups = _chords(notes)
    places = [start + group[0].onset / grid.period for group in groups]
    targets = _drawn(places, _lines(places, swing), start, opens=opens)
    onsets = [
        max(0.0, group[0].onset + strength * (target - place) * grid.period)
        for group, place, target in zip(groups, places, targets, strict=True)
    ]
    return _sounding(notes, _spread(groups, onsets, 1 - strength))


def ending(notes: tuple[Note, ...], start: float, grid: Grid, beats: float) -> tuple[Note, ...]:
    """Return the notes of an answer of `beats` beats, which begins at `start` (beats): nothing sounds after its end.

    Notes that begin at its end, or less than 0.05 s before, are left out, but never all of them. A musician holds the
    last note for its full value: where the last note or chord stops less than a beat before the answer does, it sounds
    on to the end of the beat in which it stops. One that stops earlier has ended the phrase by itself, and is kept so.
    """
    end = beats * grid.period
    kept = [note for note in notes if note.onset < end - _SHORTEST_S]
    if not kept:
        kept = [note for note in notes if note.onset == notes[0].onset]
        return tuple(replace(note, duration=min(note.duration, max(end - note.onset, _SHORTEST_S))) for note in kept)
    last = [note for note in kept if kept[-1].onset - note.onset < _CHORD_S]
    stop = max(note.onset + note.duration for note in last)
    line = (ceil(start + stop / grid.period - _OVER) - start) * grid.period
    full = min(line, end) if stop < line and end - stop < grid.period else 0.0
    shortened = [replace(note, duration=min(note.duration, end - note.onset)) for note in kept[: -len(last)]]
    held = [replace(note, duration=min(max(note.duration, full - note.onset), end - note.onset)) for note in last]
    return (*shortened, *held)


def _firsts(onsets: Sequence[float]) -> list[float]:
    """Return the first onset of every chord; `onsets` in seconds, ascending."""
    firsts: list[float] = []
    for onset in onsets:
        if not firsts or onset - firsts[-1] >= _CHORD_S:
            firsts.append(onset)
    return firsts


def _chords(notes: Sequence[Note]) -> list[list[Note]]:
    """Return the notes that move as one. A pitch struck again begins a new chord, however soon."""
    groups: list[list[Note]] = []
    for onset, struck in groupby(notes, attrgetter("onset")):
        together = list(struck)
        last = groups[-1] if groups and onset - groups[-1][0].onset < _CHORD_S else []
        if last and not {note.pitch for note in last} & {note.pitch for note in together}:
            last += together
        else:
            groups.append(together)
    return groups


def _lines(places: Sequence[float], swing: float) -> list[float]:
    """Return for each place the line it falls to (beats); both ascend, as a beat's lines are those from 0 to 1."""
    straight: tuple[float, ...] = (0.0, swing / 2, swing, (1 + swing) / 2, 1.0)
    beats: dict[int, list[float]] = {}
    for place in places:
        beat = floor(place)
        beats.setdefault(beat, []).append(place - beat)
    lines = []
    for beat, within in beats.items():
        grid = straight
        if len(within) > _FULLEST:
            grid = (0.0, 1.0)
        elif _in_triplets(within, straight):
            grid = _TRIPLETS
        lines += [beat + _nearest(place, grid) for place in within]
    return lines


def _in_triplets(within: Sequence[float], straight: Sequence[float]) -> bool:
    """Return whether a beat's onsets (0-1) fit triplets clearly better; those on the beat itself fit both."""
    inner = [place for place in within if _ON_BEAT < place < _NEXT_BEAT]
    swung = straight[2] > STRAIGHT
    if not inner or (swung and len(inner) == 1):
        # A single one of a player who swings is a swung eighth, however far it strays.
        return False
    missed = _distance(inner, straight)
    share = _SHARE if len(inner) > 1 else _SHARE_ALONE
    return missed > _MISSED and _distance(inner, _TRIPLETS) < share * missed


def _distance(places: Sequence[float], grid: Sequence[float]) -> float:
    """Return the root mean square distance of the places to their lines."""
    return hypot(*[place - _nearest(place, grid) for place in places]) / sqrt(len(places))


def _nearest(place: float, grid: Sequence[float]) -> float:
    """Return the line nearest to a place from 0 to 1; the grid ascends from 0 to 1."""
    after = bisect_left(grid, place, 1)
    return grid[after] if grid[after] - place < place - grid[after - 1] else grid[after - 1]


def _drawn(places: Sequence[float], lines: Sequence[float], start: float, *, opens: bool) -> list[float]:
    """Return where the places (beats) lie when each line has its nearest; the others are warped in between.

    The warp is piecewise linear through anchors that ascend on both sides, hence keeps the order.
    """
    anchors: dict[float, float] = {}
    for place, line in zip(places, lines, strict=True):
        held = anchors.get(line)
        if held is None or (abs(place - line) < abs(held - line) and not (opens and held == places[0])):
            anchors[line] = place
    sources = list(anchors.values())
    targets = [max(line, start) for line in anchors]
    if opens:
        targets[0] = sources[0]
    if sources[0] > start and targets[0] > start:
        # Room for what comes before the first anchor, a grace note say.
        sources.insert(0, start)
        targets.insert(0, start)
    return [_warped(place, sources, targets) for place in places]


def _warped(place: float, sources: Sequence[float], targets: Sequence[float]) -> float:
    """Return the place moved as its neighbours among `sources` move to `targets`; after the last, as the last."""
    after = bisect_left(sources, place)
    if after == len(sources):
        return place + targets[-1] - sources[-1]
    if sources[after] == place:
        return targets[after]
    share = (place - sources[after - 1]) / (sources[after] - sources[after - 1])
    return targets[after - 1] + share * (targets[after] - targets[after - 1])


def _spread(groups: Sequence[Sequence[Note]], onsets: Sequence[float], share: float) -> list[float]:
    """Return every note's onset: its chord's, and `share` of its distance from it, or less where chords come nearer."""
    result = []
    for index, (group, onset) in enumerate(zip(groups, onsets, strict=True)):
        if len(group) == 1:
            result.append(onset)
            continue
        first, kept = group[0].onset, share
        if index + 1 < len(groups) and groups[index + 1][0].onset > first:
            kept = min(kept, (onsets[index + 1] - onset) / (groups[index + 1][0].onset - first))
        result += [onset + kept * (note.onset - first) for note in group]
    return list(accumulate(result, max))


def _sounding(notes: Sequence[Note], onsets: Sequence[float]) -> tuple[Note, ...]:
    """Return the notes at their new onsets; those that ended before a repeat of their pitch still do."""
    moved: list[Note] = []
    following: dict[int, tuple[float, float]] = {}
    for note, onset in zip(reversed(notes), reversed(onsets), strict=True):
        before, now = following.get(note.pitch, (inf, inf))
        duration = max(note.duration, _SHORTEST_S)
        if onset + duration > now and note.onset + note.duration <= before:
            duration = now - onset
        following[note.pitch] = (note.onset, onset)
        moved.append(Note(note.pitch, note.velocity, onset, duration))
    return tuple(reversed(moved))
