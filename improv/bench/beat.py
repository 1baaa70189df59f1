"""Whether improv plays in time with another's MIDI clock, and begins its answers on the beat that it had announced.

A sequencer and a player in one JACK client, a jam as a person starts it, and a bare echo for what the machine adds.
"""

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from math import ceil, sqrt
from statistics import fmean, pstdev

from improv.bench.clock_jam import FRAMES, Take, play
from improv.bench.clock_score import Song, Stretch, Tempo, jumps, line_of, ramp, recovery, steady
from improv.bench.figures import Limit, Row, Values, judged, not_run, percentile
from improv.bench.processes import JACK_RATE
from improv.bench.worker import NotThereError
from improv.errors import ImprovError
from improv.events import CLOCK, START, Event, Realtime, decode
from improv.listen.midi_clock import ClockFollower

JITTER_S = 0.002
BPMS = (60, 100, 150, 200)
_SLOW, _FAST, _RAMP_S = 60, 200, 20.0
_SOLO_S = 20.0
# A bar without notes, so that the tempo is known, then a call of a beat and a half.
_LEAD_BEATS = 4
_CALL = ((0.0, 60), (0.5, 64), (1.0, 67))
_KEY_S = 0.15
_JUMPS, _JUMP_S = (100, 140, 100, 140, 100), 8.0
_BACK_BEATS, _HOLD_S, _LOOPS = 16, 0.13, 4
_RECOVERED_S = 0.005
_ANSWER_BPM, _ROUND_BEATS = 150, 6
_NEAR_S = 0.010
_CONFIG = """\
turns: {{silence_ms: 300, min_answer_s: 0.5, max_answer_s: 0.8}}
model: {{seed: 1}}
midi: {{learned: null}}
controls: {{mode: {mode}, tempo: clock, quantise: 1, density: 1, polyphony: 2, memory: 0}}
"""
_MACHINE = f"bare: an echo by python-rtmidi, in the same seconds; a JACK period is {1000 * FRAMES / JACK_RATE:.2f} ms"
_BEYOND = "beyond: √(sd² - sd of the bare echo²)"


def measure(answers: int, say: Callable[[str], None], seconds: float = _SOLO_S) -> Iterator[Row]:
    """Yield all rows: `answers` are asked for, and each tempo is played in for `seconds`."""
    yield from foretold()
    tempi: list[tuple[str, Tempo]] = [(f"at {bpm} bpm", steady(bpm)) for bpm in BPMS]
    lead = _LEAD_BEATS * 60 / _SLOW
    tempi.append((f"from {_SLOW} to {_FAST} bpm in {_RAMP_S:.0f} s", ramp(_SLOW, _FAST, lead, _RAMP_S)))
    try:
        for what, tempo in tempi:
            say(f"in time with a clock {what}")
            length = seconds if "from" not in what else lead + _RAMP_S
            yield onsets_row(f"onsets against a MIDI clock {what}", _solo((Stretch.of(0.5, length, tempo),)))
        say("after jumps of the tempo")
        yield _recovered("tempo", _solo((Stretch.of(0.5, _JUMP_S * len(_JUMPS), jumps(_JUMPS, _JUMP_S)),)))
        say("after jumps in the song")
        yield _recovered("position", _solo(tuple(_loops())))
        say(f"first onsets of {answers} answers")
        yield from _first_onsets(answers)
    except (NotThereError, ImprovError) as error:
        yield not_run("playing in time with a clock", str(error))


def _solo(stretches: tuple[Stretch, ...]) -> Take:
    first = stretches[0]
    notes = tuple((first.time_at(_LEAD_BEATS + beat), pitch, _KEY_S) for beat, pitch in _CALL)
    return play(Song(stretches, notes, float(stretches[-1].ticks[-1])), _CONFIG.format(mode="solo"), JITTER_S, 1)


def _loops() -> Iterator[Stretch]:
    """Yield a song that goes back again and again, a moment after it has stopped."""
    begin, first = 0.5, 0.0
    for _ in range(_LOOPS + 1):
        stretch = Stretch.of(begin, _JUMP_S, steady(_JUMPS[0]), first)
        yield stretch
        begin = float(stretch.ticks[-1]) + _HOLD_S
        first = max(0.0, round(stretch.beat_at(float(stretch.ticks[-1]))) - _BACK_BEATS)


# ---- onsets ---------------------------------------------------------------------------------------


def errors(take: Take) -> list[tuple[float, float]]:
    """Return (arrival, error) in seconds of the onsets that were drawn to a line; those of a chord are one."""
    found: dict[tuple[int, float], tuple[float, float]] = {}
    for onset in take.onsets:
        line = line_of(onset.place)
        if line is not None:
            stretch = take.song.stretch(onset.at)
            found.setdefault((id(stretch), line), (onset.at, onset.at - stretch.time_at(line)))
    return list(found.values())


def onsets_row(what: str, take: Take) -> Row:
    """Return how far onsets lie from the true lines."""
    wrong = [error for _, error in errors(take)]
    if not wrong or not take.echoes:
        return not_run(what, "nothing was heard: this machine is too busy")
    floor = deviation(take.echoes)
    beyond = {"sd beyond": beyond_floor(pstdev(wrong) * 1000, floor["sd"])}
    note = f"{len(wrong)} onsets drawn to a line; {JITTER_S * 1000:.0f} ms of jitter; {_BEYOND}; {_MACHINE}"
    limits = (Limit("|mean|", 1.0), Limit("sd beyond", 2.0))
    return judged(Row(what, "ms", deviation(wrong) | beyond, floor, limits, note))


def deviation(seconds: Sequence[float]) -> dict[str, float]:
    """Return mean, its size, sd, and the 99th percentile of the sizes, in milliseconds."""
    sizes = [abs(each) * 1000 for each in seconds]
    mean = fmean(seconds) * 1000
    return {"mean": mean, "|mean|": abs(mean), "sd": pstdev(seconds) * 1000, "p99": percentile(sizes, 99)}


def beyond_floor(sd: float, floor: float) -> float:
    """Return the scatter that the machine's own does not explain: independent scatters add in squares."""
    return sqrt(max(0.0, sd**2 - floor**2))


# ---- recovery -------------------------------------------------------------------------------------


def _recovered(what: str, take: Take) -> Row:
    """Return how many beats after each jump onsets, and the beats that improv counted on, were right again."""
    name = f"recovery after a jump of the {what}"
    foreseen, played = _after_jumps(take, _foreseen(take)), _after_jumps(take, errors(take))
    if not played:
        return not_run(name, "nothing was heard: this machine is too busy")
    values = {"foreseen": max(foreseen), "onsets": max(played)}
    limits = (Limit("foreseen", 4.0), Limit("onsets", 4.0))
    note = (
        f"the longest of {len(played)}; until all later ones are within {_RECOVERED_S * 1000:.0f} ms; foreseen: the"
        f" next beat, whenever it was published; {what}s: {_story(what)}"
    )
    return judged(Row(name, "beats", values, limits=limits, note=note))


def _story(what: str) -> str:
    if what == "tempo":
        return f"{_JUMPS[0]} and {_JUMPS[1]} bpm in turn"
    return f"stop, {_BACK_BEATS} beats back, continue {_HOLD_S * 1000:.0f} ms later"


def _foreseen(take: Take) -> list[tuple[float, float]]:
    """Return (moment, error) in seconds of the next beat, each time a beat was published."""
    found = []
    for at, grid in take.grids:
        stretch = take.song.stretch(at)
        beat = ceil(grid.beat_at(at))
        found.append((at, grid.time_at(beat) - stretch.time_at(beat)))
    return found


def _after_jumps(take: Take, wrong: Iterable[tuple[float, float]]) -> list[float]:
    """Return the beats from each jump until all errors are small; the last beat before the next jump is its own."""
    song, wrong = take.song, list(wrong)
    if len(song.stretches) > 1:
        spans = [(stretch, stretch.ticks[0], stretch.ticks[-1]) for stretch in song.stretches[1:]]
    else:
        begin = song.stretches[0].ticks[0]
        spans = [
            (song.stretches[0], begin + number * _JUMP_S, begin + (number + 1) * _JUMP_S)
            for number in range(1, len(_JUMPS))
        ]
    return [
        recovery(
            stretch.beat_at(begin),
            [
                (stretch.beat_at(at), error)
                for at, error in wrong
                if begin <= at and stretch.beat_at(at) + 1 < stretch.beat_at(end)
            ],
            _RECOVERED_S,
        )
        for stretch, begin, end in spans
    ]


# ---- answers --------------------------------------------------------------------------------------


def _first_onsets(answers: int) -> Iterator[Row]:
    """Yield how near the announced beat answers begin: how far off, and how many near enough."""
    name = "first onsets of answers, after the beat that the journal had announced"
    stretch = Stretch.of(0.5, (answers * _ROUND_BEATS + 2 * _LEAD_BEATS) * 60 / _ANSWER_BPM, steady(_ANSWER_BPM))
    notes = tuple(
        (stretch.time_at(_LEAD_BEATS + number * _ROUND_BEATS + beat), pitch, _KEY_S)
        for number in range(answers)
        for beat, pitch in _CALL
    )
    song = Song((stretch,), notes, float(stretch.ticks[-1]))
    take = play(song, _CONFIG.format(mode="answer"), JITTER_S, 2)
    first = {onset.turn: onset for onset in reversed(take.onsets) if onset.announced is not None}
    late = [onset.at - stretch.time_at(round(onset.announced or 0.0)) for onset in first.values()]
    if not late:
        yield not_run(name, "nothing was heard: this machine is too busy")
        return
    note = f"{len(late)} answers to {answers} calls at {_ANSWER_BPM} bpm; {_MACHINE}"
    yield judged(Row(name, "ms", deviation(late), deviation(take.echoes) if take.echoes else {}, note=note))
    floor = {"share": _share(take.echoes)} if take.echoes else {}
    near = Row(f"{name}: within 10 ms of it", "%", {"share": _share(late)}, floor, (Limit("share", 99.0, least=True),))
    yield judged(near)


def _share(late: Sequence[float]) -> float:
    return 100 * sum(abs(each) <= _NEAR_S for each in late) / len(late)


# ---- the follower alone ---------------------------------------------------------------------------


def foretold() -> Iterator[Row]:
    """Yield how far off the next beat is foreseen from a clock alone, without any machine: in simulated time."""
    for jitter in (0.0, JITTER_S, 0.005):
        for bpm in BPMS:
            yield _foretold(f"{bpm} bpm", steady(bpm), jitter)
    yield _foretold(f"{_SLOW} to {_FAST} bpm in {_RAMP_S:.0f} s", ramp(_SLOW, _FAST, 0.0, _RAMP_S), JITTER_S)
    yield _foretold(f"{_FAST} to {_SLOW} bpm in {_RAMP_S:.0f} s", ramp(_FAST, _SLOW, 0.0, _RAMP_S), JITTER_S)


def _foretold(what: str, tempo: Tempo, jitter: float) -> Row:
    stretch = Stretch.of(0.0, _RAMP_S, tempo)
    wrong = foreseen_alone(stretch, jitter)
    note = f"{1000 * jitter:.0f} ms of jitter, {len(wrong)} beats, from the second bar on"
    values: Values = {name: value for name, value in deviation(wrong).items() if name != "|mean|"}
    return Row(f"simulated: the next beat, foreseen at {what}", "ms", values, note=note)


def foreseen_alone(stretch: Stretch, jitter: float) -> list[float]:
    """Return by how much (seconds) a follower foresees each beat too late, a beat before."""
    follower, dice = ClockFollower(), random.Random(1)  # noqa: S311 - jitter, not secrets
    song = Song((stretch,), (), float(stretch.ticks[-1]))
    wrong: list[float] = []
    ticks = -1
    for at, data in song.clock(jitter, dice):
        event: Event | None = decode(data)
        if event is None:
            continue
        follower.feed(at, "clock", event)
        ticks += event == Realtime(CLOCK)
        beat, rest = divmod(ticks, 24)
        grid = follower.grid(at)
        if event == Realtime(START) or rest or beat < _LEAD_BEATS or grid is None:
            continue
        if stretch.time_at(beat + 1) <= stretch.ticks[-1]:
            wrong.append(grid.time_at(beat + 1) - stretch.time_at(beat + 1))
    return wrong
