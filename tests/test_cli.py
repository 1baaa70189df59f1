"""The command line as a person meets it: exit codes, and what is said."""

import subprocess
import sys
from pathlib import Path

import pytest

from improv import __version__, cli

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("arguments", [("--help",), ("-h",), ("jam", "--help"), ("demo", "-h"), ("train", "--help")])
def test_help(improv, arguments):
    done = improv(*arguments)
    assert done.code == 0
    assert "Usage: improv" in done.out


def test_every_command_of_the_readme_exists(improv):
    help_text = improv("--help").out
    table = [line for line in (ROOT / "README.md").read_text().splitlines() if line.startswith("| `improv")]
    assert len(table) == 14
    for line in table[1:]:
        assert f" {line.split()[2].strip('`')} " in help_text


@pytest.mark.parametrize(
    "arguments", [("--nonsense",), ("jam", "--nonsense"), ("nonsense",), ("train",), ("jam", "--seed", "x")]
)
def test_bad_usage_is_exit_code_2(improv, arguments):
    done = improv(*arguments)
    assert done.code == 2
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--network", "lsmt"), "unknown network 'lsmt' (known: conv, lstm, tutorial, wavenet)"),
        (("--network", "conv", "--from", "lstm"), "--from lstm: of the network lstm; --network says conv"),
        (("--network", "conv", "--from", "lsmt"), "improv: no model named 'lsmt', did you mean lstm?"),
        (("--network", "conv"), "improv: music: no such file or folder"),
    ],
)
def test_a_training_that_cannot_be_is_refused_at_once(improv, arguments, told):
    done = improv("train", "music", "--out", "x.safetensors", *arguments)
    assert done.code == (1 if told.startswith("improv: ") else 2)
    assert done.err.startswith(told)
    assert done.err.count("\n") == 1
    assert "tensorflow" not in sys.modules


def test_bad_configuration_is_told_whole_before_anything_starts(improv, tmp_path):
    (tmp_path / "config.yaml").write_text("ports:\n  backend: jak\nturns:\n  silnce_ms: 3\n")
    done = improv("--seed", "-1")
    assert done.code == 2
    assert done.err.splitlines() == [
        "--seed: -1 is not a whole number from 0 to 4294967295, or null",
        'config.yaml:2: ports.backend: "jak" is not one of auto, alsa, jack, coremidi, winmm, none; did you mean jack?',
        "config.yaml:4: turns.silnce_ms: unknown key, did you mean silence_ms?",
    ]


def test_options_set_controls_and_are_checked_like_the_file(improv):
    done = improv("jam", "--mode", "duett", "--key", "A minor", "--tempo", "internal", "--bpm", "9")
    assert done.code == 2
    assert done.err.splitlines() == [
        "--bpm: 9.0 is not a number from 20 to 300",
        '--mode: "duett" is not one of answer, duet, trade, solo, listen; did you mean duet?',
    ]


def test_a_style_of_a_preset_that_the_model_has_not_is_refused(improv, tmp_path):
    (tmp_path / "config.yaml").write_text("presets:\n  1:\n    style: polka\n")
    done = improv("jam", "--backend", "none", "--no-record", "--model", "tutorial")
    assert (done.code, done.err) == (1, "improv: tutorial has no styles to choose from, so none named 'polka'\n")


def test_controls_are_listed_with_the_controllers_that_they_have(improv, tmp_path):
    (tmp_path / "config.yaml").write_text("midi:\n  map:\n    density: 21\n    mute: 75\n    freeze: null\n")
    (tmp_path / "midi-map.json").write_text('{"level": {"control": 75, "channel": 2}}')
    done = improv("controls")
    assert done.code == 0
    controllers = {line[12:27].strip(): line[:12].strip() for line in done.out.splitlines()}
    told = {name: controllers[name] for name in ("mode", "temperature", "density", "mute", "level", "freeze", "panic")}
    assert told == {
        "mode": "CC 20",
        "temperature": "-",
        "density": "CC 21",
        "mute": "-",
        "level": "CC 75 ch 2",
        "freeze": "-",
        "panic": "CC 119",
    }


def test_a_missing_configuration_is_told(improv):
    done = improv("jam", "--config", "none.yaml")
    assert (done.code, done.err) == (2, "none.yaml: cannot be read: No such file or directory\n")


def test_a_model_that_does_not_exist_is_refused(improv):
    done = improv("jam", "--backend", "none", "--no-record", "--model", "tutorail")
    assert done.code == 1
    assert done.err.splitlines()[-1].startswith("improv: no model named 'tutorail', did you mean tutorial?")


@pytest.mark.parametrize("command", ["jam", "demo"])
@pytest.mark.parametrize(
    ("model", "style", "said"),
    [
        ("lstm", "pop99-dev", "lstm has no style 'pop99-dev', did you mean pop909-dev? (it has: "),
        ("lstm", "x", "lstm has no style 'x' (it has: "),
        ("tutorial", "x", "tutorial has no styles to choose from, so none named 'x'"),
    ],
)
def test_a_style_that_the_model_does_not_have_is_refused(improv, command, model, style, said):
    done = improv(command, "--backend", "none", "--model", model, "--style", style)
    assert done.code == 1
    assert done.err.splitlines()[-1].startswith(f"improv: {said}")


def test_an_engine_that_cannot_be_had_is_refused_before_a_port_opens(improv, monkeypatch, tmp_path):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    done = improv("jam", "--backend", "none", "--engine", "gpu")
    assert (done.code, done.err.count("\n")) == (1, 1)
    assert "no NVIDIA device, or CUDA_VISIBLE_DEVICES hides it" in done.err
    assert "install improv[gpu]" in done.err
    assert not (tmp_path / "sessions").exists()
    monkeypatch.setattr("improv.engine.device.find_spec", lambda _name: None)
    done = improv("demo", "--engine", "keras")
    assert (done.code, "install improv[train]" in done.err) == (1, True)
    done = improv("demo", "--engine", "tensorflow")
    assert done.code == 2
    assert "is not one of auto, numpy, keras, gpu" in done.err


def test_a_mistake_of_ours_is_one_line_and_a_log(improv, monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("improv.console._kept", {})
    monkeypatch.setattr("improv.ports.midi.resolve", lambda _backend: 1 / 0)
    done = improv("ports")
    first, second = done.err.splitlines()
    assert (done.code, first) == (1, "improv: ZeroDivisionError: division by zero")
    (log,) = tmp_path.glob("improv-*.log")
    assert second.endswith(str(log))
    assert "Traceback" in log.read_text()


def test_a_demo_of_what_is_no_music_is_refused(improv, tmp_path):
    (tmp_path / "not.mid").write_text("no MIDI")
    done = improv("demo", "not.mid")
    assert (done.code, done.err[:16]) == (1, "improv: not.mid:")
    assert not (tmp_path / "demo").exists()


def test_it_is_a_module_and_a_command():
    command = (sys.executable, "-m", "improv", "--version")
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == f"improv {__version__}\n"


def test_what_lies_in_the_folder_is_not_imported(tmp_path):
    for name in ("numpy", "jack", "rtmidi"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit(3)\n")
    command = (sys.executable, "-P", "-m", "improv", "demo", "none.mid")
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stderr.startswith("improv: none.mid")
    for child in (cli._PORTS, cli._BRAIN):
        done = subprocess.run(child, cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, check=False)
        assert done.returncode != 3
        assert not done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="closes streams by their numbers")
def test_closed_streams_are_no_reason_to_fail(tmp_path):
    command = f"exec {sys.executable} -m improv demo none.mid >&- 2>&-"
    assert subprocess.run(["sh", "-c", command], cwd=tmp_path, check=False).returncode == 1


def test_ci_runs_the_tests_by_the_command_of_the_readme():
    commands = [line for line in (ROOT / "README.md").read_text().splitlines() if "pip install" in line]
    assert [line.split("&&")[1].split("uv ", 1)[1].strip() for line in commands] == [
        "run improv demo",
        "run --group dev pytest",
    ]
    assert "grep -m1 'run --group dev pytest' README.md" in (ROOT / ".ci" / "run").read_text()


def test_what_cannot_be_meant_is_refused_before_anything_is_loaded(improv, monkeypatch):
    train = ("train", ".", "--network", "lstm", "--out")
    for arguments, code, error in (
        ((*train, "."), 2, "--out .: a folder; name the model file to write, mine.safetensors for example\n"),
        (("plot", "."), 2, ".: a folder; name the files to draw\n"),
        (("evaluate", "lstm", "--corpus", "nowhere"), 1, "improv: nowhere: no such file or folder\n"),
    ):
        done = improv(*arguments)
        assert (done.code, done.err) == (code, error)
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    done = improv(*train, "x.safetensors")
    assert (done.code, done.err) == (2, "KERAS_BACKEND=torch: the networks train on tensorflow or jax\n")
