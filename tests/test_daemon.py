import asyncio
from contextlib import asynccontextmanager

import pytest

from improv import clock, daemon
from improv.brain import CLOCKS_A_BEAT, Brain
from improv.console import Console
from improv.events import ControlChange, NoteOff, NoteOn, decode, encode
from improv.listen.phrase import Silence
from improv.musician import Manner, Musician
from improv.play.planner import compose
from improv.play.turns import Answer
from improv.ports.link import (
    Accepted,
    Flush,
    Heard,
    Plan,
    Refused,
    Sent,
    Silenced,
    Silencing,
    ToPorts,
    Welcome,
    Yielded,
)
from improv.sessions.journal import Journal, read
from improv.sessions.records import Planned
from improv.settings import Model, Settings
from tests.parrot import Parrot

MANNER = Manner(silence=Silence(fixed=5.0))


class RecordingLink:
    """The brain's line, at whose end nobody is but us."""

    def __init__(self) -> None:
        self.sent: list[ToPorts] = []
        self.last_seq = 0

    def send(self, message: ToPorts) -> None:
        self.sent.append(message)

    @property
    def plans(self) -> list[Plan]:
        return [message for message in self.sent if isinstance(message, Plan)]


@asynccontextmanager
async def brain_with(path=None, engine=None, console=None, ask_other=None):
    journal = Journal(path, on_trouble=pytest.fail)
    link = RecordingLink()
    brain = Brain(
        Musician(engine or Parrot(), MANNER, seed=1),
        link,
        journal,
        console or Console(quiet=True),
        ask_other=ask_other,
    )
    yield brain, link
    journal.close("end")


def phrase(start: float, *, seq: int = 1) -> list[Heard]:
    """Return three notes and their releases, as the ports process tells them."""
    events = []
    for place, pitch in enumerate((60, 64, 67)):
        events.append((start + place * 0.2, encode(NoteOn(pitch, 80))))
        events.append((start + place * 0.2 + 0.1, encode(NoteOff(pitch))))
    return [Heard(seq + place, at, "in", data) for place, (at, data) in enumerate(sorted(events))]


async def thought() -> None:
    """Let the brain think to the end."""
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    await asyncio.gather(*others, return_exceptions=True)


async def listen(brain: Brain, phrase: list[Heard]) -> None:
    """Let the brain hear a phrase and think to the end."""
    for heard in phrase:
        brain.receive(heard)
    await thought()


async def test_the_answer_is_planned_for_the_end_of_the_phrase():
    async with brain_with() as (brain, link):
        start = clock.now()
        await listen(brain, phrase(start))
        plan = link.plans[-1]
        assert plan.basis == 6
        assert plan.events[0][0] == pytest.approx(start + 0.5 + 5.0)
        assert isinstance(decode(plan.events[0][1]), NoteOn)


async def test_a_plan_that_was_dropped_before_it_began_is_made_again():
    async with brain_with() as (brain, link):
        start = clock.now()
        await listen(brain, phrase(start))
        count = len(link.plans)
        brain.receive(Heard(7, start + 0.8, "in", encode(ControlChange(123, 0))))
        brain.receive(Yielded(link.plans[-1].turn, 7, start + 0.8))
        await thought()
        assert len(link.plans) == count + 1
        assert link.plans[-1].basis == 7


async def test_a_plan_that_was_refused_for_its_basis_is_made_again_once_that_is_known():
    async with brain_with() as (brain, link):
        start = clock.now()
        await listen(brain, phrase(start))
        refused = link.plans[-1]
        brain.receive(Heard(7, start + 0.8, "in", encode(ControlChange(7, 100))))
        brain.receive(Refused(refused.turn))
        await thought()
        assert link.plans[-1].basis == 7
        count = len(link.plans)
        brain.receive(Refused(link.plans[-1].turn))
        await thought()
        assert len(link.plans) == count


async def test_a_phrase_is_answered_once():
    async with brain_with() as (brain, link):
        start = clock.now()
        await listen(brain, phrase(start))
        plan = link.plans[-1]
        brain.receive(Accepted(plan.turn, start + 0.6))
        for due, data in plan.events:
            brain.receive(Sent(plan.turn, due, due, data))
        brain.receive(Heard(7, start + 1.0, "in", encode(NoteOff(60))))
        await thought()
        assert link.plans[-1] is plan


async def test_when_ports_is_back_the_answer_that_was_lost_with_it_is_planned_again():
    async with brain_with() as (brain, link):
        for heard in phrase(clock.now()):
            brain.receive(heard)
        await thought()
        count = len(link.plans)
        brain.ports_lost()
        brain.receive(Welcome(2, 6))
        await thought()
        assert len(link.plans) == count + 1


async def test_a_new_brain_answers_the_phrase_it_was_born_into_and_none_that_is_over():
    async with brain_with() as (brain, link):
        brain.restore(phrase(clock.now() - 60.0), 3)
        brain.receive(Welcome(1, 6))
        await thought()
        assert link.plans == []
    async with brain_with() as (brain, link):
        brain.restore(phrase(clock.now() - 0.5), 3)
        brain.receive(Welcome(1, 6))
        await thought()
        assert [plan.turn for plan in link.plans] == [4]


async def test_a_new_brain_without_a_journal_thinks_only_when_it_has_heard_all_it_missed():
    async with brain_with() as (brain, link):
        brain.restore([], 0)
        brain.receive(Welcome(1, 6))
        for heard in phrase(clock.now() - 0.5):
            brain.receive(heard)
        await thought()
        assert [plan.basis for plan in link.plans] == [6]


async def test_the_journal_keeps_one_clock_message_a_beat(tmp_path):
    path = tmp_path / "jam.jsonl"
    async with brain_with(path) as (brain, _):
        for seq in range(1, 4 * CLOCKS_A_BEAT + 1):
            brain.receive(Heard(seq, seq * 0.02, "in", b"\xf8"))
    assert len(list(read(path).of(Heard))) == 4


async def test_stopping_flushes_and_waits_for_what_sounds():
    async with brain_with() as (brain, link):
        brain.receive(Sent(1, 0.0, 0.0, encode(NoteOn(60, 80))))
        assert not brain.silent.is_set()
        brain.stop()
        assert link.sent == [Flush()]
        brain.receive(Silenced(0.1, Silencing.FLUSH))
        assert not brain.silent.is_set()
        brain.receive(Sent(1, 0.1, 0.1, encode(NoteOff(60))))
        assert brain.silent.is_set()


async def test_stopping_waits_for_the_last_word_of_the_ports_process():
    async with brain_with() as (brain, _):
        brain.stop()
        assert not brain.silent.is_set()
        brain.receive(Silenced(0.1, Silencing.FLUSH))
        assert brain.silent.is_set()


async def test_when_the_output_is_lost_nothing_of_ours_sounds():
    async with brain_with() as (brain, _):
        brain.receive(Sent(1, 0.0, 0.0, encode(NoteOn(60, 80))))
        brain.receive(Silenced(0.1, Silencing.OUTPUT_LOST))
        assert brain.silent.is_set()


def composed(engine, question) -> Answer:
    """Return what `engine` answers."""
    heard, brief = question
    return next(answer for answer in compose(engine, heard, brief) if answer is not None)


async def test_another_engine_is_asked_and_its_answer_replaces_ours(tmp_path):
    asked = []
    path = tmp_path / "jam.jsonl"
    async with brain_with(path, ask_other=lambda *question: asked.append(question)) as (brain, link):
        await listen(brain, phrase(clock.now()))
        ours = link.plans[-1]
        theirs = composed(Parrot(velocity=99.0), asked[-1])
        brain.take(theirs)
        assert link.plans[-1] is not ours
        assert decode(link.plans[-1].events[0][1]).velocity != decode(ours.events[0][1]).velocity
        assert (link.plans[-1].basis, link.plans[-1].events[0][0]) == (ours.basis, ours.events[0][0])
        brain.receive(Accepted(ours.turn, clock.now()))
        brain.receive(Accepted(link.plans[-1].turn, clock.now()))
        # The end of the phrase moves, not its window: the question has its answer.
        count = len(asked)
        brain.receive(Yielded(link.plans[-1].turn, 6, clock.now()))
        brain.receive(Heard(7, clock.now(), "in", encode(ControlChange(7, 100))))
        await thought()
        assert len(asked) == count
        brain.receive(Accepted(link.plans[-1].turn, clock.now()))
    assert [planned.engine for planned in read(path).of(Planned)] == ["numpy", "keras", "keras"]


async def test_an_answer_to_what_is_over_or_too_late_is_not_taken():
    asked = []
    async with brain_with(ask_other=lambda *question: asked.append(question)) as (brain, link):
        await listen(brain, phrase(clock.now()))
        stale = composed(Parrot(velocity=99.0), asked[-1])
        await listen(brain, phrase(clock.now() + 1.0, seq=7))
        ours = link.plans[-1]
        brain.take(stale)
        assert link.plans[-1] is ours
    async with brain_with(ask_other=lambda *question: asked.append(question)) as (brain, link):
        # Its moment has come: ours lies in the ports process, and may have begun.
        await listen(brain, phrase(clock.now() - 5.5))
        ours = link.plans[-1]
        brain.take(composed(Parrot(velocity=99.0), asked[-1]))
        assert link.plans[-1] is ours


async def test_where_our_own_engine_fails_or_is_slower_the_others_answer_is_played():
    asked = []
    async with brain_with(engine=Failing(), console=Listening(), ask_other=lambda *q: asked.append(q)) as (brain, link):
        await listen(brain, phrase(clock.now()))
        assert link.plans == []
        brain.take(composed(Parrot(), asked[-1]))
        assert len(link.plans) == 1


@pytest.mark.parametrize(
    ("engine", "usable", "starts"),
    [("numpy", True, None), ("auto", False, None), ("auto", True, (True, True)), ("keras", False, (False, False))],
)
def test_another_engine_is_started_when_asked_for_or_when_it_may_be_better(engine, usable, starts, monkeypatch):
    monkeypatch.setattr(daemon, "gpu_usable", lambda: usable)
    settings = Settings(model=Model("tutorial", engine=engine))
    other = daemon._other_engine(settings, daemon.load_engine("tutorial").info, Console(quiet=True))
    assert (None if other is None else (other._start.needs_gpu, other._only_if_faster)) == starts


class Failing(Parrot):
    """An engine that cannot."""

    def draw(self, state, uniforms, taste):
        raise FloatingPointError("no")


class Listening(Console):
    """A console that keeps its troubles."""

    def __init__(self) -> None:
        super().__init__(quiet=True)
        self.troubles: list[str] = []

    def trouble(self, text: str) -> None:
        self.troubles.append(text)


async def test_an_engine_that_fails_degrades_the_jam_and_does_not_end_it():
    console = Listening()
    async with brain_with(engine=Failing(), console=console) as (brain, link):
        for heard in [*phrase(clock.now()), *phrase(clock.now() + 1.0, seq=7)]:
            brain.receive(heard)
            await thought()
        assert link.plans == []
    assert [text.split(":")[0] for text in console.troubles] == ["degraded"]
