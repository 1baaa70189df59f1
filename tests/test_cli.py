"""The command line as a person meets it: real processes, exit codes, what is said."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from improv import cli

ROOT = Path(__file__).parents[1]


@pytest.fixture
def improv(tmp_path):
    """Return a function that runs `improv` in an empty folder."""

    def run(*arguments):
        return subprocess.run(
            (sys.executable, "-m", "improv", *arguments),
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT), "NO_COLOR": "1", "COLUMNS": "100"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


@pytest.mark.parametrize("arguments", [("--help",), ("-h",), ("jam", "--help"), ("demo", "-h"), ("train", "--help")])
def test_help(improv, arguments):
    done = improv(*arguments)
    assert done.returncode == 0
    assert "Usage: improv" in done.stdout


def test_every_command_of_the_readme_exists(improv):
    help_text = improv("--help").stdout
    table = [line for line in (ROOT / "README.md").read_text().splitlines() if line.startswith("| `improv")]
    assert len(table) == 7
    for line in table[1:]:
        assert f" {line.split()[2].strip('`')} " in help_text


@pytest.mark.parametrize(
    "arguments", [("--nonsense",), ("jam", "--nonsense"), ("nonsense",), ("train",), ("jam", "--seed", "x")]
)
def test_bad_usage_is_exit_code_2(improv, arguments):
    done = improv(*arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_bad_configuration_is_told_whole_before_anything_starts(improv, tmp_path):
    (tmp_path / "config.yaml").write_text("ports:\n  backend: jak\nturns:\n  silnce_ms: 3\n")
    done = improv("--seed", "-1")
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "--seed: -1 is not a whole number from 0 to 4294967295, or null",
        'config.yaml:2: ports.backend: "jak" is not one of auto, alsa, jack, coremidi, winmm, none; did you mean jack?',
        "config.yaml:4: turns.silnce_ms: unknown key, did you mean silence_ms?",
    ]


def test_a_missing_configuration_is_told(improv):
    done = improv("jam", "--config", "none.yaml")
    assert (done.returncode, done.stderr) == (2, "none.yaml: cannot be read: No such file or directory\n")


def test_a_model_that_does_not_exist_is_refused(improv):
    done = improv("jam", "--backend", "none", "--no-record", "--model", "tutorail")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("improv: no model named 'tutorail', did you mean tutorial?")


def test_a_mistake_of_ours_is_one_line_and_a_log(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("sys.argv", ["improv", "ports"])
    monkeypatch.setattr("improv.ports.midi.resolve", lambda _backend: 1 / 0)
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code == 1
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "improv: ZeroDivisionError: division by zero"
    (log,) = tmp_path.iterdir()
    assert said[1].endswith(str(log))
    assert "Traceback" in log.read_text()


def test_ci_runs_the_tests_by_the_command_of_the_readme():
    commands = [line for line in (ROOT / "README.md").read_text().splitlines() if "pip install" in line]
    assert [line.split("&&")[1].split("uv ", 1)[1].strip() for line in commands] == [
        "run improv demo",
        "run --group dev pytest",
    ]
    assert "grep -m1 'run --group dev pytest' README.md" in (ROOT / ".ci" / "run").read_text()
