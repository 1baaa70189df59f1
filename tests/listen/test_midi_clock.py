"""MIDI clock, followed: noisy, ramped, jumping, looping, lossy clocks from a fixed seed, against the true beat."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from statistics import fmean, pstdev

import pytest

from improv.events import CLOCK, CONTINUE, START, STOP, NoteOn, Realtime, SongPosition
from improv.listen.midi_clock import GONE_S, LOST_S, ClockFollower

TICK = Realtime(CLOCK)


@dataclass
class Sequencer:
    """A sequencer with a true clock: `tick` sends one tick, moved by `jitter()`, `period` (seconds a beat) later."""

    clock: ClockFollower = field(default_factory=ClockFollower)
    port: str = "daw"
    now: float = 0.0
    period: float = 0.5
    jitter: Callable[[], float] = lambda: 0.0

    def tick(self, *, lost: bool = False, doubled: bool = False) -> None:
        if not lost:
            self.clock.feed(self.now + self.jitter(), self.port, TICK)
        if doubled:
            self.clock.feed(self.now + 0.003, self.port, TICK)
        self.now += self.period / 24

    def ticks(self, number: int) -> None:
        for _ in range(number):
            self.tick()

    def send(self, *events: Realtime | SongPosition) -> None:
        # Transport comes a little before the tick it is about.
        for event in events:
            self.clock.feed(self.now - 0.004, self.port, event)

    def place(self) -> float:
        grid = self.clock.grid(self.now)
        assert grid is not None
        return grid.beat_at(self.now)


def normal(seed: int, sd: float) -> Callable[[], float]:
    draw = random.Random(seed)
    return lambda: draw.gauss(0, sd)


def uniform(seed: int, most: float) -> Callable[[], float]:
    draw = random.Random(seed)
    return lambda: draw.uniform(-most, most)


def errors(sequencer: Sequencer, periods: Iterator[float]) -> list[float]:
    """Return by how much (seconds) each beat is later than it was foreseen a beat before; a beat lasts its period."""
    wrong: list[float] = []
    foreseen = None
    for beat, period in enumerate(periods):
        if foreseen is not None:
            wrong.append(sequencer.now - foreseen)
        sequencer.period = period
        grid = sequencer.clock.grid(sequencer.now)
        foreseen = None if grid is None else grid.time_at(beat + 1)
        sequencer.ticks(24)
    return wrong


@pytest.mark.parametrize("bpm", [60, 90, 120, 200])
@pytest.mark.parametrize("jitter", [normal(1, 0.002), uniform(2, 0.004)])
def test_a_noisy_clock_tells_the_next_beat_within_a_millisecond(bpm: float, jitter: Callable[[], float]) -> None:
    daw = Sequencer(period=60 / bpm, jitter=jitter)
    daw.send(Realtime(START))
    wrong = errors(daw, iter([60 / bpm] * 40))[3:]
    assert abs(fmean(wrong)) < 0.0005
    assert pstdev(wrong) < 0.001


@pytest.mark.parametrize(("first", "last"), [(60, 200), (200, 60), (118, 124)])
def test_a_ramp_is_followed(first: float, last: float) -> None:
    daw = Sequencer(jitter=normal(3, 0.002))
    daw.send(Realtime(START))
    lead, seconds = 4.0, 20.0
    foreseen, tick, wrong = None, 0, []
    while daw.now < lead + seconds:
        if tick % 24 == 0:
            # Nobody can foresee that a ramp begins: it is given a bar.
            if foreseen is not None and daw.now > lead + 4 * 60 / first:
                wrong.append(daw.now - foreseen)
            grid = daw.clock.grid(daw.now)
            foreseen = None if grid is None else grid.time_at(tick // 24 + 1)
        # A tempo that changes evenly with time: the tick's length from its middle.
        bpm = first
        for _ in range(3):
            middle = daw.now + 60 / bpm / 48
            bpm = first + (last - first) * min(max(middle - lead, 0), seconds) / seconds
        daw.period = 60 / bpm
        daw.tick()
        tick += 1
    assert abs(fmean(wrong)) < 0.001
    assert pstdev(wrong) < 0.002


@pytest.mark.parametrize(("before", "after"), [(120, 60), (60, 200), (200, 148), (120, 132), (90, 180), (120, 121)])
def test_a_jump_of_the_tempo_is_followed_within_a_bar(before: float, after: float) -> None:
    daw = Sequencer(jitter=normal(4, 0.002))
    daw.send(Realtime(START))
    wrong = errors(daw, iter([60 / before] * 16 + [60 / after] * 16))
    after_a_bar = wrong[16 + 4 :]
    assert max(map(abs, after_a_bar)) < 0.006
    assert abs(fmean(after_a_bar)) < 0.0015


@pytest.mark.parametrize("bpm", [60, 120, 200])
def test_lost_and_doubled_ticks_move_nothing(bpm: float) -> None:
    daw, draw = Sequencer(period=60 / bpm, jitter=normal(5, 0.002)), random.Random(6)
    daw.send(Realtime(START))
    daw.ticks(48)
    for _ in range(200):
        for _ in range(draw.choice([0, 0, 1, 2, 3])):
            daw.tick(lost=True)
        daw.tick(doubled=draw.random() < 0.3)
        daw.ticks(6)
    assert daw.place() == pytest.approx(round(daw.place() * 24) / 24, abs=0.01)
    assert daw.clock.grid(daw.now).bpm == pytest.approx(bpm, rel=0.01)


def test_the_count_is_right_over_a_thousand_beats_with_losses() -> None:
    daw = Sequencer(jitter=normal(7, 0.002))
    daw.send(Realtime(START))
    for tick in range(24 * 300):
        daw.tick(lost=tick > 24 and tick % 97 in {3, 4, 50})
    assert daw.place() == pytest.approx(300, abs=0.01)


def test_a_stall_of_the_sender_is_no_tempo() -> None:
    daw = Sequencer()
    daw.send(Realtime(START))
    daw.ticks(96)
    # Three ticks come late, all at once.
    for _ in range(3):
        daw.clock.feed(daw.now + 0.07, daw.port, TICK)
    daw.now += 3 * daw.period / 24
    daw.now = round(daw.now * 48) / 48
    daw.ticks(20)
    assert daw.place() == pytest.approx(119 / 24, abs=0.01)
    assert daw.clock.grid(daw.now).bpm == pytest.approx(120, rel=0.005)


def test_start_makes_the_next_tick_the_first_beat() -> None:
    daw = Sequencer()
    daw.ticks(31)  # ticking while it stands
    assert daw.clock.grid(daw.now) is None
    assert not daw.clock.running(daw.now)
    assert daw.clock.bpm == pytest.approx(120, rel=0.001)
    daw.send(Realtime(START))
    daw.tick()
    assert daw.clock.running(daw.now)
    assert daw.place() == pytest.approx(1 / 24, abs=1e-3)


def test_a_start_out_of_phase_with_the_ticks_before_keeps_the_tempo() -> None:
    daw = Sequencer(jitter=normal(8, 0.001))
    daw.ticks(100)
    daw.now += 0.009
    daw.send(Realtime(START))
    daw.ticks(24)
    assert daw.place() == pytest.approx(1, abs=0.003)
    grid = daw.clock.grid(daw.now)
    assert grid.bpm == pytest.approx(120, rel=0.002)


def test_a_sequencer_silent_while_it_stands_keeps_its_tempo() -> None:
    daw = Sequencer()
    daw.send(Realtime(START))
    daw.ticks(48)
    daw.send(Realtime(STOP))
    assert daw.clock.grid(daw.now) is None
    daw.now += 60.3
    daw.send(Realtime(START))
    daw.tick()
    assert daw.place() == pytest.approx(1 / 24, abs=1e-3)


def test_stop_and_continue_go_on_where_they_were() -> None:
    daw = Sequencer()
    daw.send(Realtime(START))
    daw.ticks(30)
    daw.send(Realtime(STOP))
    daw.ticks(17)
    assert daw.clock.grid(daw.now) is None
    daw.send(Realtime(CONTINUE))
    daw.ticks(6)
    assert daw.place() == pytest.approx(36 / 24, abs=1e-3)


def test_song_position_counts_sixteenths() -> None:
    daw = Sequencer()
    daw.ticks(24)
    daw.send(SongPosition(18), Realtime(CONTINUE))
    daw.ticks(6)
    assert daw.place() == pytest.approx(4.75, abs=1e-3)


@pytest.mark.parametrize(
    "back",
    [(Realtime(START),), (SongPosition(0), Realtime(CONTINUE)), (SongPosition(0),)],
    ids=["start", "both", "place"],
)
def test_a_sequencer_that_loops_goes_back(back: tuple[Realtime | SongPosition, ...]) -> None:
    daw = Sequencer(jitter=normal(9, 0.001))
    daw.send(Realtime(START))
    daw.ticks(24 * 8)
    daw.send(*back)
    assert daw.place() == pytest.approx(0, abs=0.01)  # known before the tick
    daw.ticks(36)
    assert daw.place() == pytest.approx(1.5, abs=0.01)


def test_a_clock_that_stops_ticking_is_gone_and_comes_back_in_its_place() -> None:
    daw = Sequencer()
    daw.send(Realtime(START))
    daw.ticks(96)
    gone = daw.clock.gone_at
    assert gone == pytest.approx(daw.now - daw.period / 24 + GONE_S)
    assert daw.clock.grid(gone - 0.01) is not None
    assert daw.clock.grid(gone) is None
    assert not daw.clock.running(gone)
    daw.now += 2.0
    daw.tick()
    assert daw.place() == pytest.approx(8 + 1 / 24, abs=0.01)


def test_a_clock_gone_for_long_has_to_start_again() -> None:
    daw = Sequencer()
    daw.send(Realtime(START))
    daw.ticks(96)
    daw.now += LOST_S + 1
    daw.ticks(24)
    assert daw.clock.grid(daw.now) is None
    daw.send(Realtime(START))
    daw.ticks(24)
    assert daw.place() == pytest.approx(1, abs=0.01)


def test_of_two_clocks_the_one_that_started_first_leads_until_it_stops() -> None:
    clock = ClockFollower()
    first, second = Sequencer(clock, "first"), Sequencer(clock, "second", period=0.4)
    second.send(Realtime(STOP))
    for daw in (first, second):
        daw.send(Realtime(START))
        daw.ticks(48)
    second.ticks(12)
    assert clock.grid(first.now).bpm == pytest.approx(120, rel=0.001)
    first.send(Realtime(STOP))
    second.ticks(12)
    assert clock.grid(second.now).bpm == pytest.approx(150, rel=0.001)
    assert second.place() == pytest.approx(3, abs=0.01)


def test_notes_are_passed_over() -> None:
    clock = ClockFollower()
    clock.feed(0.0, "keys", NoteOn(60, 80))
    assert clock.grid(0.0) is None
    assert clock.bpm is None


@pytest.mark.parametrize("steps", [[0.0], [0.0, 0.02], [0.0, 0.001, 0.02, 0.02, 0.02, 0.3, 2.0, 6.0], [1e-9, 0.5]])
def test_any_order_of_messages_is_survived(steps: list[float]) -> None:
    draw, clock, at = random.Random(10), ClockFollower(), 0.0
    for _ in range(1500):
        at += draw.choice(steps)
        status = draw.choice([CLOCK] * 20 + [START, STOP, CONTINUE])
        event = SongPosition(draw.randrange(1 << 14)) if draw.random() < 0.05 else Realtime(status)
        clock.feed(at, draw.choice("ab"), event)
        grid = clock.grid(at)
        assert grid is None or grid.period > 0
