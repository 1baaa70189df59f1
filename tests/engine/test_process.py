"""The real process, and a jam on it: the brain, the ports process, a player and a listener in software."""

import asyncio
import os
import signal
import time
from pathlib import Path

import psutil
import pytest

from improv.bench.processes import Band, Child, wait_until
from improv.clock import now
from improv.engine.client import EngineProcess
from improv.engine.measure import typical
from improv.engine.wire import Start
from improv.events import NoteOff, NoteOn, encode
from improv.play.planner import compose
from improv.ports.link import Play, Role
from improv.predict.engines import engine_of
from improv.predict.weights import find, load
from improv.sessions.journal import read
from improv.sessions.records import Planned
from improv.sessions.replay import engine_of as engine_of_session
from improv.sessions.replay import replay
from improv.settings import Model, Ports, Settings, Turns
from improv.spec import Spec

pytestmark = [pytest.mark.tensorflow, pytest.mark.skipif(os.name != "posix", reason="signals")]

PATIENCE_S = 120.0
SETTINGS = Settings(
    Ports(backend="none"), turns=Turns(silence_ms=400, max_answer_s=1.0), model=Model("tutorial", engine="keras")
)


async def until(condition) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        await asyncio.sleep(0.01)


async def test_the_process_answers_as_numpy_does_and_gives_up_what_is_stale():
    path = find("tutorial")
    weights = load(path)
    answers, said, troubles = [], [], []
    process = EngineProcess(Start(path, weights.hash, None, needs_gpu=False), said.append, troubles.append)
    process.open(asyncio.get_running_loop(), answers.append)
    try:
        await until(lambda: process.is_warm or troubles)
        assert troubles == []
        assert said[0].startswith("engine keras on ")
        questions = [typical(25, revision=revision) for revision in range(1, 9)]
        for question in questions:
            process.ask(*question)
        await until(lambda: answers and answers[-1].revision == 8)
        assert [answer.revision for answer in answers] == [8]
        (expected,) = (answer for answer in compose(engine_of(weights), *questions[-1]) if answer)
        assert [note.pitch for note in answers[-1].notes] == [note.pitch for note in expected.notes]
        process.ask(*questions[0])
        os.kill(process.pid, signal.SIGKILL)
        await until(lambda: troubles)
        assert troubles == ["degraded: the engine keras has died (SIGKILL); numpy answers until another one is warm"]
    finally:
        process.close()


async def test_weights_that_have_changed_since_are_not_played():
    troubles = []
    process = EngineProcess(Start(find("tutorial"), "0" * 64, None, needs_gpu=False), lambda _: None, troubles.append)
    process.open(asyncio.get_running_loop(), lambda _: None)
    try:
        await until(lambda: troubles)
        assert "another file" in troubles[0]
    finally:
        process.close()


class Stage:
    """A jam without MIDI: who plays, who listens, and the journal."""

    def __init__(self, band: Band, folder: Path) -> None:
        self.journal = folder / "jam.jsonl"
        spec = Spec(SETTINGS, 1, band._address, band._authkey, self.journal)
        self.brain = band._stack.enter_context(Child("improv.daemon", spec.to_line()))
        self._player = band.call(Role.INPUT, "player")

    def said(self, text: str) -> int:
        return sum(text in line for _, line in self.brain.lines)

    def engine_process(self) -> psutil.Process | None:
        children = psutil.Process(self.brain.pid).children()
        return next((child for child in children if "improv.engine" in child.cmdline()), None)

    def answer(self) -> str:
        """Play a phrase; return which engine answered it."""
        begun = self.said("improv ")
        for pitch in (60, 64, 67):
            self._player.send(Play(encode(NoteOn(pitch, 80))))
            time.sleep(0.1)
            self._player.send(Play(encode(NoteOff(pitch))))
        wait_until(lambda: self.said("improv ") > begun, "an answer", 30.0)
        return max(read(self.journal).of(Planned), key=lambda planned: planned.turn).engine


@pytest.fixture
def stage(tmp_path):
    with Band(SETTINGS) as band:
        yield Stage(band, tmp_path)


def is_running(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def test_a_jam_is_answered_by_numpy_until_keras_is_warm_and_again_when_that_is_killed(stage):
    assert stage.answer() == "numpy"
    wait_until(lambda: stage.said("engine keras on "), "the engine to be warm", PATIENCE_S)
    wait_until(lambda: stage.answer() == "keras", "an answer of keras", PATIENCE_S)
    stage.engine_process().kill()
    assert stage.answer() == "numpy"
    assert stage.said("degraded") == 1
    again = replay(read(stage.journal), engine_of_session)
    assert again.elsewhere
    assert not again.recalled
    assert again.is_identical


@pytest.mark.parametrize("state", ["starting", "stopped"])
def test_no_engine_process_outlives_a_brain_that_was_killed(stage, state):
    wait_until(lambda: stage.engine_process() is not None, "the engine's process")
    engine = stage.engine_process()
    # While it imports, or so that it cannot notice anything.
    start = now()
    wait_until(lambda: now() > start + (0.5 if state == "starting" else 1.5), "a moment")
    if state == "stopped":
        engine.suspend()
    assert is_running(engine)
    stage.brain.process.kill()
    wait_until(lambda: not is_running(engine), "the end of the engine's process", 10.0)


def test_a_terminals_ctrl_c_does_not_reach_it(stage):
    wait_until(lambda: stage.engine_process() is not None, "the engine's process")
    engine = stage.engine_process()
    for _ in range(5):
        engine.send_signal(signal.SIGINT)
        time.sleep(0.1)
    assert is_running(engine)
    stage.brain.write(b'{"do": "stop"}\n')
    wait_until(lambda: not is_running(engine), "the end of the engine's process", 10.0)
