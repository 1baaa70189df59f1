"""The ports process: `python -m improv.ports`, started and watched by the supervisor.

Standard input: one line of JSON (`Spec`), then orders, one JSON object a line: {"do": "stop"} or {"do": "panic"};
its end is the supervisor's death. Standard output, one JSON object a line: {"event": "ready"} when the ports are
open or waited for, "ports" with their state on every change, "beat" every 0.25 s from the deadline thread, "bye".
"""

import contextlib
import ctypes
import gc
import json
import logging
import os
import signal
import sys
import threading
from dataclasses import asdict
from functools import partial
from types import FrameType
from typing import NoReturn

from improv.errors import PortError
from improv.play.gate import Gate
from improv.ports.link import PortState
from improv.ports.loop import Loop
from improv.ports.memory import Memory
from improv.ports.midi import make_system, warm_up
from improv.ports.server import Server
from improv.ports.spec import Spec

SWITCH_INTERVAL = 0.0005  # seconds a thread may keep the interpreter from the deadline thread
PR_SET_TIMERSLACK = 29
LAST_WORDS = 0.05  # seconds drivers get to pass on our last messages before the ports close
TRY_AGAIN = 75  # exit code: a successor may fare better (EX_TEMPFAIL of sysexits.h; the supervisor knows it)
STOP_WITHIN = 1.0  # seconds for the deadline thread to say them

_log = logging.getLogger("improv.ports")


class Supervisor:
    """The pipes to the supervisor. C libraries write to the old descriptors 1 and 2, which lead nowhere from now on."""

    def __init__(self) -> None:
        self._out = os.dup(1)
        sys.stderr = os.fdopen(os.dup(2), "w", buffering=1)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        if sys.platform != "win32":
            os.set_blocking(self._out, False)
        self._unread = b""

    def tell(self, event: str, **values: object) -> None:
        """Say something; a supervisor that does not read misses it. Any thread. Never blocks or raises."""
        with contextlib.suppress(OSError):
            os.write(self._out, json.dumps({"event": event, **values}).encode() + b"\n")

    def read_line(self) -> bytes | None:
        """Return the next line, None at the end. Reads the descriptor: no buffer holds a lock when we leave."""
        while b"\n" not in self._unread:
            chunk = os.read(0, 65_536)
            if not chunk:
                return None
            self._unread += chunk
        line, _, self._unread = self._unread.partition(b"\n")
        return line


class Process:
    """Wires gate, loop, link and MIDI system together, and takes them down again."""

    def __init__(self, spec: Spec, supervisor: Supervisor) -> None:
        self._spec = spec
        self._supervisor = supervisor
        self._wake = threading.Event()
        self._stopping = False

    def stop(self) -> None:
        """Leave soon. Any thread."""
        self._stopping = True
        self._wake.set()

    def run(self) -> int:
        """Own the ports until told to stop; return the exit code. Raises PortError or OSError if it cannot begin."""
        memory = Memory(self._spec.memory)
        gate = Gate(self._spec.policy, seq=memory.seq, owed=memory.ledger.owed())
        loop = Loop(gate, memory, self._spec.epoch, partial(self._supervisor.tell, "beat"))
        system = make_system(self._spec, loop, memory, self._wake.set, self._die)
        server = Server(self._spec.address, self._spec.authkey, loop)
        state, wait = system.poll()
        loop.report(state)
        self._supervisor.tell("ready", pid=os.getpid(), epoch=self._spec.epoch, **asdict(state))
        deadline_thread = threading.Thread(target=self._keep_time, args=(loop,), name="deadline", daemon=True)
        deadline_thread.start()
        server.start()
        threading.Thread(target=self._take_orders, args=(loop,), name="orders", daemon=True).start()
        # Everything made so far stays; garbage is collected in rests only (see Loop).
        gc.collect()
        gc.freeze()
        gc.disable()
        while not self._stopping:
            self._wake.wait(wait)
            self._wake.clear()
            last, (state, wait) = state, system.poll()
            if state != last:
                self._tell_state(loop, state)
        server.close()
        system.silence()
        loop.call(loop.panic)
        loop.call(loop.stop)
        deadline_thread.join(STOP_WITHIN)
        threading.Event().wait(LAST_WORDS)
        system.close()
        return 0

    def _keep_time(self, loop: Loop) -> None:
        if sys.platform == "linux":
            # Timers of this thread on the dot, not up to 50 us later to save power.
            ctypes.CDLL(None).prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0)
        loop.run()

    def _tell_state(self, loop: Loop, state: PortState) -> None:
        loop.call(partial(loop.report, state))
        self._supervisor.tell("ports", **asdict(state))

    def _take_orders(self, loop: Loop) -> None:
        while (line := self._supervisor.read_line()) is not None:
            order = json.loads(line).get("do") if line.strip() else None
            if order == "panic":
                loop.call(loop.panic)
            elif order == "stop":
                break
        self.stop()

    def _die(self, reason: str) -> None:
        """Leave at once, on whatever thread: our own clients of a dead server cannot even be closed in time."""
        if not self._stopping:
            self._supervisor.tell("bye", code=TRY_AGAIN, reason=reason)
            os._exit(TRY_AGAIN)


def main() -> NoReturn:
    """Run the process; its exit code is 0 after an order to stop, 1 when it cannot begin, 75 when a successor may."""
    supervisor = Supervisor()
    logging.basicConfig(stream=sys.stderr, format="ports: %(message)s", level=logging.WARNING)
    # Ctrl-C, Ctrl-Z and a closed terminal reach everybody: the supervisor decides, and nothing is left sounding.
    for name in ("SIGINT", "SIGHUP", "SIGTSTP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    sys.setswitchinterval(SWITCH_INTERVAL)
    warm_up()
    code, reason = 1, "the supervisor is gone"
    line = supervisor.read_line()
    if line is not None:
        process = Process(Spec.from_line(line), supervisor)

        def on_terminate(_number: int, _frame: FrameType | None) -> None:
            process.stop()

        signal.signal(signal.SIGTERM, on_terminate)
        try:
            code, reason = process.run(), "stopped"
        except (PortError, OSError) as error:
            reason = str(error)
    supervisor.tell("bye", code=code, reason=reason)
    # Not sys.exit: threads blocked in reads and drivers would be waited for.
    os._exit(code)


if __name__ == "__main__":
    main()
