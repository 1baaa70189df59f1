"""Real processes that speak the children's protocol, and write what happens to them into a log."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from improv import supervisor
from improv.supervisor import Program, Supervisor

pytestmark = pytest.mark.skipif(os.name != "posix", reason="sends signals")

PATIENCE_S = 30.0

CHILD = """
import json, os, sys, threading, time

name, log = sys.argv[1:]

def note(word):
    with open(log, "a") as file:
        file.write(f"{name} {word} {os.getpid()}\\n")

def say(**fact):
    sys.stdout.write(json.dumps(fact) + "\\n")
    sys.stdout.flush()

note("born")
line = sys.stdin.readline()
if not line:
    note("discarded")
    sys.exit()
spec = json.loads(line)
note("told-again" if spec.get("again") else "told")
if "die" in spec:
    sys.exit(spec["die"])
if "bye" in spec:
    say(event="bye", code=spec["bye"], reason=spec["reason"])
    note("left")
    sys.exit(spec["bye"])
print("noise of some library", flush=True)
note("ready")
say(event="ready")

def beat():
    while not spec.get("silent"):
        say(event="beat")
        time.sleep(0.05)

threading.Thread(target=beat, daemon=True).start()
for line in sys.stdin:
    note("stop")
    if spec.get("deaf"):
        time.sleep(3600)
    say(event="bye", code=0, reason="stop")
    os._exit(0)
note("orphaned")
os._exit(0)
"""

DRIVER = """
import json, sys
sys.path.insert(0, sys.argv[4])
from improv.supervisor import Program, Supervisor

child, log, specs = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
program = lambda name: Program(name, (sys.executable, "-S", "-c", child, name, log), 60)
spec = lambda name: lambda again: json.dumps({**specs.get(name, {}), "again": again}).encode() + b"\\n"
sys.exit(Supervisor(program("ports"), program("brain")).run(spec("ports"), spec("brain")))
"""


class Log:
    def __init__(self, path):
        self.path = path

    def words(self, name=None, word=None):
        lines = [line.split() for line in self.path.read_text().splitlines()] if self.path.exists() else []
        return [(who, what, int(pid)) for who, what, pid in lines if name in {None, who} and word in {None, what}]

    def order(self):
        return [f"{who} {what}" for who, what, _pid in self.words()]

    def wait(self, name, word, count=1):
        """Return the process that wrote `word` for the `count`-th time."""
        wait_for(lambda: len(self.words(name, word)) >= count)
        return self.words(name, word)[count - 1][2]


def wait_for(condition):
    limit = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < limit, "waited in vain"
        time.sleep(0.005)


def gone(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    # A zombie of ours, or of a container's careless first process.
    with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123
        return file.read().rsplit(")", 1)[1].split()[0] == "Z"


@pytest.fixture
def log(tmp_path):
    return Log(tmp_path / "log")


@pytest.fixture
def jam(log):
    """Return a function that runs a supervisor here, while `meddle` happens in a thread."""

    def run(meddle=lambda _jam: None, *, ports=None, brain=None, patience=60):
        def program(name):
            return Program(name, (sys.executable, "-S", "-c", CHILD, name, str(log.path)), patience)

        def spec(wishes):
            wishes = wishes or {}
            # A list says what each life in turn is told.
            lives = iter(wishes) if isinstance(wishes, list) else iter(lambda: wishes, None)
            return lambda again: json.dumps({**next(lives), "again": again}).encode() + b"\n"

        said = []
        jam = Supervisor(program("ports"), program("brain"), said.append)
        thread = threading.Thread(target=meddle, args=(jam,))
        thread.start()
        try:
            code = jam.run(spec(ports), spec(brain))
        finally:
            thread.join()
        return code, said

    return run


@pytest.fixture
def driver(log):
    """Return a function that starts a supervisor in a process group of its own."""
    started = []

    def start(**specs):
        root = os.path.dirname(os.path.dirname(supervisor.__file__))  # noqa: PTH120
        command = (sys.executable, "-S", "-c", DRIVER, CHILD, str(log.path), json.dumps(specs), root)
        started.append(subprocess.Popen(command, start_new_session=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_the_ports_close_after_the_brain(jam, log):
    def stop(jam):
        log.wait("ports", "ready")
        log.wait("brain", "ready")
        jam.stop()

    assert jam(stop) == (0, [])
    order = [line for line in log.order() if not line.endswith("born")]
    assert sorted(order[:4]) == ["brain ready", "brain told", "ports ready", "ports told"]
    assert order[4:] == ["brain stop", "ports stop"]


def test_both_being_ready_is_told_once(log):
    def program(name):
        return Program(name, (sys.executable, "-S", "-c", CHILD, name, str(log.path)), 60)

    jam = Supervisor(program("ports"), program("brain"))
    ready = []

    def on_ready():
        ready.append(log.order())
        if len(ready) == 1:
            jam.stop(5)

    assert jam.run(lambda _again: b"{}\n", lambda _again: b"{}\n", on_ready) == 5
    (seen,) = ready
    assert {"ports ready", "brain ready"} <= set(seen)


@pytest.mark.parametrize("name", ["ports", "brain"])
def test_a_killed_child_is_replaced_and_the_other_stays(jam, log, name):
    def meddle(jam):
        log.wait("ports", "ready")
        os.kill(log.wait(name, "ready"), signal.SIGKILL)
        log.wait(name, "told-again")
        log.wait(name, "ready", 2)
        jam.stop()

    code, said = jam(meddle)
    assert (code, said) == (0, [f"the {name} process died (SIGKILL); starting another"])
    other = "brain" if name == "ports" else "ports"
    assert len(log.words(other, "born")) == 1


def test_a_server_that_was_lost_means_a_successor(jam, log):
    def meddle(jam):
        log.wait("ports", "ready")
        jam.stop()

    lost = {"bye": supervisor.TRY_AGAIN, "reason": "server lost"}
    assert jam(meddle, ports=[lost, {}]) == (0, [])
    assert len(log.words("ports", "born")) == 2


def test_a_brain_that_cannot_begin_ends_it(jam):
    assert jam(brain={"bye": 1, "reason": "no such model"}) == (1, ["no such model"])


def test_ports_that_cannot_open_end_it(jam, log):
    assert jam(ports={"bye": 1, "reason": "no such port"}) == (1, ["no such port"])
    assert len(log.words("ports", "born")) == 1
    assert log.words("brain", "stop")


def test_a_brain_that_is_done_ends_it(jam):
    assert jam(brain={"bye": 0, "reason": "end of stream"}) == (0, [])


def test_a_hanging_child_is_replaced(jam, log):
    def meddle(jam):
        first = log.wait("ports", "ready")
        log.wait("ports", "ready", 2)
        assert gone(first)
        jam.stop()

    code, said = jam(meddle, ports=[{"silent": True}, {}], patience=6)
    assert code == 0
    assert said[0] == "the ports process hangs; replacing it"


def test_a_child_that_keeps_dying_is_given_up(jam, monkeypatch):
    monkeypatch.setattr(supervisor, "_BACK_OFF_S", (0.0,))
    code, said = jam(ports={"die": 3})
    assert code == 1
    assert said[0] == "the ports process died (exit code 3); starting another"
    assert said[-1] == "the ports process died 10 times in a row; giving up"


def test_ports_killed_while_they_are_stopping_leave_it_to_a_successor(jam, log):
    def meddle(jam):
        log.wait("ports", "ready")
        jam.stop()
        os.kill(log.wait("ports", "stop"), signal.SIGKILL)

    assert jam(meddle, ports=[{"deaf": True}, {}])[0] == 0
    assert [word for _name, word, _pid in log.words("ports")][-3:] == ["told-again", "ready", "stop"]


def test_ports_that_do_not_stop_are_killed(jam, log, monkeypatch):
    monkeypatch.setattr(supervisor, "_PORTS_STOP_S", 0.1)

    def meddle(jam):
        log.wait("ports", "ready")
        jam.stop()

    assert jam(meddle, ports={"deaf": True})[0] == 0
    assert gone(log.words("ports", "born")[0][2])
    assert len(log.words("ports", "born")) == 1


def test_children_that_were_started_early_can_be_discarded(log):
    program = Program("brain", (sys.executable, "-S", "-c", CHILD, "brain", str(log.path)), 60)
    jam = Supervisor(program, program)
    jam.start_children()
    jam.discard()
    jam.discard()
    assert all(gone(pid) for _name, _word, pid in log.words())
    assert not log.words(word="told")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0), (signal.SIGHUP, 0)])
def test_a_signal_ends_it_in_order(driver, log, number, code):
    process = driver()
    log.wait("ports", "ready")
    process.send_signal(number)
    assert process.wait(PATIENCE_S) == code
    assert log.order()[-2:] == ["brain stop", "ports stop"]


def test_ctrl_c_reaches_the_whole_terminal_group_and_still_ends_in_order(driver, log):
    process = driver()
    log.wait("ports", "ready")
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(PATIENCE_S) == 130
    assert log.order()[-2:] == ["brain stop", "ports stop"]


def test_a_second_ctrl_c_does_not_wait_for_the_brain_but_lets_the_ports_release(driver, log):
    process = driver(brain={"deaf": True})
    log.wait("ports", "ready")
    process.send_signal(signal.SIGINT)
    brain = log.wait("brain", "stop")
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE_S) == 130
    assert gone(brain)
    assert log.order()[-1] == "ports stop"


def test_the_death_of_the_supervisor_ends_the_children(driver, log):
    process = driver()
    log.wait("ports", "ready")
    log.wait("brain", "ready")
    process.kill()
    assert gone(log.wait("ports", "orphaned")) or log.wait("brain", "orphaned")
    wait_for(lambda: all(gone(pid) for _name, _word, pid in log.words()))
    assert {"ports orphaned", "brain orphaned"} <= set(log.order())
