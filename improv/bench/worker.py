"""A process of its own that measures on demand: a line of JSON asks, a line of JSON answers.

What is measured must not share an interpreter with whoever measures, nor TensorFlow's half gigabyte with anybody.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Any, Self

from improv.errors import ImprovError

Task = Callable[..., object]

# Numerical libraries on one thread, as in the brain.
ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


class NotThereError(ImprovError):
    """Something that a measurement needs is not on this machine."""


class Worker:
    """The asking end: `ask` blocks until the answer. One thread. Leave with `close`."""

    def __init__(self, module: str, environment: Mapping[str, str] = ENVIRONMENT) -> None:
        self._module = module
        self._process = subprocess.Popen(
            [sys.executable, "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **environment},
            # A terminal's Ctrl-C is ours to act on.
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def ask(self, task: str, **arguments: object) -> Any:  # noqa: ANN401 - whatever the task answers
        """Have `task` done and return its answer. Raises NotThereError, or ImprovError if it failed."""
        pipe_in, pipe_out = self._process.stdin, self._process.stdout
        if pipe_in is None or pipe_out is None:
            raise ImprovError(f"{self._module} has no pipes")
        try:
            pipe_in.write(json.dumps([task, arguments]).encode() + b"\n")
            pipe_in.flush()
            answer = json.loads(pipe_out.readline())
        except (OSError, ValueError) as error:
            raise ImprovError(f"{self._module} died while it measured") from error
        if "lacks" in answer:
            raise NotThereError(answer["lacks"])
        return answer["value"]

    def close(self) -> None:
        """End the process. Idempotent."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


def serve(tasks: Callable[[], Mapping[str, Task]]) -> None:
    """Do what the other end asks until it hangs up. `tasks` may raise ImportError: that is the answer to everything."""
    # Libraries print to descriptor 1; answers have one of their own.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    known: Mapping[str, Task] = {}
    lacks = ""
    try:
        known = tasks()
    except ImportError as error:
        lacks = f"{error.name or error} is not installed"
    for line in sys.stdin:
        task, arguments = json.loads(line)
        answer = {"lacks": lacks} if lacks else {"value": known[task](**arguments)}
        answers.write(json.dumps(answer) + "\n")
