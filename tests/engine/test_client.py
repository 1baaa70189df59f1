"""The brain's side, against small processes that behave in every way a process can. The real one: `test_process.py`."""

import asyncio
import sys
import time
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from improv.engine.client import EngineProcess, Patience
from improv.engine.measure import typical
from improv.engine.wire import Start

START = Start(Path("model.safetensors"), "0" * 64, None, needs_gpu=False)
PATIENCE = Patience(warm_s=20.0, answer_s=20.0, pauses_s=(0.01, 0.02))
LIMIT_S = 20.0

# What they have in common: they read a line, and say lines.
PREFACE = """
import json, os, signal, sys, time
lines = sys.stdin.buffer
def say(**fact):
    print(json.dumps(fact), flush=True)
def warm(keras=1.0, numpy=2.0):
    lines.readline()
    say(warm="CPU", keras_ms=keras, numpy_ms=numpy)
def answer(number):
    say(answer=number, notes=[[60, 80, 0.0, 0.5]])
"""
# Answers every question.
WELL = "warm()\nfor number, _ in enumerate(lines, 1): answer(number)"
# Answers twice: the first question, however late, and the second.
BEHIND = "warm()\nfor _ in lines:\n    answer(1)\n    say(answer=2, notes=[[1, 1, 0.0, 1.0]])"


class Jam:
    """Somebody who asks, and hears."""

    def __init__(self) -> None:
        self.answers = []
        self.said = []
        self.troubles = []


@asynccontextmanager
async def started(script, patience=PATIENCE, **keywords):
    """Run a process that does as `script` says."""
    command = keywords.pop("command", (sys.executable, "-S", "-c", PREFACE + script))
    jam = Jam()
    process = EngineProcess(START, jam.said.append, jam.troubles.append, patience=patience, command=command, **keywords)
    process.open(asyncio.get_running_loop(), jam.answers.append)
    yield jam, process
    pid = process.pid
    process.close()
    if pid is not None:
        await until(lambda: not running(pid))


async def until(condition) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        await asyncio.sleep(0.005)


def running(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except (OSError, ProcessLookupError):
        return False


async def test_a_question_is_answered():
    async with started(WELL) as (jam, process):
        process.ask(*typical(25))  # not warm: nothing is asked
        await until(lambda: process.is_warm)
        assert jam.said == ["engine keras on CPU, 1 ms a phrase (numpy, 2 ms a phrase)"]
        for revision in (3, 4):
            process.ask(*typical(25, revision=revision))
            await until(lambda revision=revision: len(jam.answers) == revision - 2)
        assert [answer.revision for answer in jam.answers] == [3, 4]
        assert jam.troubles == []


async def test_a_stale_answer_is_dropped():
    async with started(BEHIND) as (jam, process):
        await until(lambda: process.is_warm)
        process.ask(*typical(25, revision=1))
        await until(lambda: len(jam.answers) == 1)
        process.ask(*typical(25, revision=2))
        await until(lambda: len(jam.answers) == 2)
        assert [answer.notes[0].pitch for answer in jam.answers] == [60, 1]


async def test_a_process_killed_in_the_middle_of_an_answer_is_replaced_and_that_is_told_once(tmp_path):
    lives = tmp_path / "lives"
    script = f"""
with open({str(lives)!r}, "a") as file: file.write("x")
warm()
for number, _ in enumerate(lines, 1):
    if os.path.getsize({str(lives)!r}) < 3:
        print('{{"answer": 1, "no', end="", flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    answer(number)
"""
    async with started(script) as (jam, process):
        for life in (1, 2):
            await until(lambda: process.is_warm)
            process.ask(*typical(25))
            await until(lambda life=life: not process.is_warm and len(jam.said) == life)
        await until(lambda: process.is_warm)
        assert jam.answers == []
        assert jam.troubles == [
            "degraded: the engine keras has died (SIGKILL); numpy answers until another one is warm"
        ]


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("warm()\nprint('hello')\ntime.sleep(60)", "says nonsense"),
        ("warm()\nprint('x' * 200_000)\ntime.sleep(60)", "says nonsense"),
        ("warm(float('nan'))\ntime.sleep(60)", "says nonsense"),
        ("warm()\nsay(answer=float('inf'), notes=[[60, 64, 0, 1]])\ntime.sleep(60)", "says nonsense"),
        ("lines.readline()\nsay(bye='needs a rest')", "needs a rest"),
        ("sys.exit(3)", "has died (exit code 3)"),
    ],
)
async def test_whatever_goes_wrong_it_is_tried_again_and_given_up_in_the_end(script, why):
    async with started(script) as (jam, process):
        await until(lambda: len(jam.troubles) == 2)
        assert jam.troubles == [
            f"degraded: the engine keras {why}; numpy answers until another one is warm",
            f"the engine keras has failed again: it {why}; numpy plays on alone",
        ]
        assert not process.is_warm


async def test_where_another_would_fare_no_better_none_is_started():
    async with started("lines.readline()\nsay(bye='finds no GPU', for_good=True)") as (jam, _):
        await until(lambda: jam.troubles)
        await asyncio.sleep(0.1)
        assert jam.troubles == ["degraded: the engine keras finds no GPU; numpy plays on alone"]


async def test_a_command_that_is_not_there_is_no_reason_to_stop():
    async with started("", command=("/nowhere/python",)) as (jam, _):
        await until(lambda: len(jam.troubles) == 2)
        assert "cannot be started (No such file or directory)" in jam.troubles[0]


@pytest.mark.parametrize("script", ["time.sleep(600)", "lines.readline()\nsignal.pause()"])
async def test_one_that_never_gets_warm_is_ended(script):
    async with started(script, Patience(warm_s=0.05, answer_s=9.0, pauses_s=(0.01,))) as (jam, process):
        await until(lambda: len(jam.troubles) == 2)
        assert jam.troubles[0].startswith("degraded: the engine keras hangs")
        process.ask(*typical(25))
        assert jam.answers == []


async def test_one_that_never_answers_is_ended():
    async with started("warm()\ntime.sleep(600)", Patience(20.0, 0.05, (60.0,))) as (jam, process):
        await until(lambda: process.is_warm)
        process.ask(*typical(25))
        await until(lambda: jam.troubles)
        assert jam.troubles[0].startswith("degraded: the engine keras hangs")
        assert not process.is_warm


async def test_asking_one_that_does_not_read_blocks_nobody():
    async with started("warm()\ntime.sleep(600)") as (jam, process):
        await until(lambda: process.is_warm)
        before = time.monotonic()
        for revision in range(500):  # a megabyte and a half: no pipe holds that
            process.ask(*typical(25, revision=revision))
            await asyncio.sleep(0)
        assert time.monotonic() - before < 5.0
        assert jam.troubles == []


async def test_in_the_choice_of_auto_the_faster_one_plays():
    async with started(WELL, only_if_faster=True) as (jam, process):
        await until(lambda: jam.said)
        assert process.is_warm
    async with started(WELL.replace("warm()", "warm(3.0, 2.0)"), only_if_faster=True) as (jam, process):
        await until(lambda: jam.said)
        assert jam.said == ["engine numpy, 2 ms a phrase (keras on CPU, 3 ms a phrase)"]
        assert not process.is_warm
        await until(lambda: not running(process.pid))
    async with started("say(bye='sees no GPU')", only_if_faster=True) as (jam, process):
        await until(lambda: jam.said)
        assert (jam.said, jam.troubles) == (["engine numpy (keras sees no GPU)"], [])


async def test_closed_before_it_has_begun():
    async with started(WELL) as (jam, process):
        process.close()
        process.close()
        process.ask(*typical(25))
    assert (jam.answers, jam.troubles) == ([], [])
