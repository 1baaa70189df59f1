"""What import contracts cannot see: which modules a process really loads."""

import json
import subprocess
import sys

import pytest


def loaded(statement: str) -> set[str]:
    script = f"import json, sys; {statement}; print(json.dumps(sorted(sys.modules)))"
    output = subprocess.run((sys.executable, "-c", script), check=True, capture_output=True, text=True).stdout
    return {name.partition(".")[0] for name in json.loads(output)}


def test_the_supervisor_is_standard_library_alone():
    ours = {"improv"}
    bare = loaded("pass")  # what an environment loads by itself
    assert loaded("import improv.supervisor") - bare - ours <= sys.stdlib_module_names
    assert "asyncio" not in loaded("import improv.supervisor")


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("improv.ports.__main__", {"numpy", "mido", "yaml", "typer", "asyncio", "tensorflow"}),
        ("improv.daemon", {"tensorflow", "keras", "typer", "yaml", "matplotlib", "pretty_midi", "symusic"}),
        ("improv.edits", {"yaml", "numpy", "mido", "typer", "asyncio"}),
        ("improv.generate", {"tensorflow", "keras", "matplotlib", "pretty_midi", "symusic"}),
        ("improv.plot", {"tensorflow", "keras", "matplotlib", "pretty_midi", "symusic"}),
        ("improv.train.tutorial", {"tensorflow", "keras", "matplotlib", "symusic"}),
        ("improv.commands", {"numpy", "mido", "rich", "tensorflow", "matplotlib", "asyncio", "rtmidi"}),
    ],
)
def test_a_process_loads_nothing_heavy(module, heavy):
    assert not loaded(f"import {module}") & heavy
