"""Models and floors on the same notes, from the command line to the tables."""

import json
import math
from importlib import import_module

import numpy as np
import pytest

from improv import cli
from improv.errors import CorpusError, ImprovError, ModelError
from improv.predict.weights import find, load
from improv.train.bootstrap import draws
from improv.train.corpus import TRAIN, VALIDATION
from improv.train.passages import questions
from improv.train.sequences import Music

from .music import corpus, noise, notes

pytestmark = pytest.mark.tensorflow

MADE = corpus(*(noise(300, seed) for seed in range(4)), noise(330, 8), notes([60, 64, 67, 72] * 40), held_out=2)


@pytest.fixture(scope="module")
def evaluating():
    # Five seconds of import, for these tests alone.
    return import_module("improv.train.evaluate")


@pytest.fixture(scope="module")
def foresee(evaluating):
    """Return a function that answers questions about MADE as a shipped model would."""
    training = Music.of([MADE], TRAIN, 26)
    return lambda name, these: evaluating.predictor(load(find(name)), training).foresee(these)


@pytest.fixture
def music_folder(tmp_path, write_midi):
    rng = np.random.default_rng(1)
    rows = ["path,split"]
    for index in range(5):
        pitches = (60 + 7 * np.sin(np.arange(260) / 3) + rng.integers(0, 4, 260)).astype(int).tolist()
        write_midi(tmp_path / "set" / f"{index}.mid", pitches)
        rows.append(f"{index}.mid,{'validation' if index > 2 else 'train'}")
    (tmp_path / "set" / "index.csv").write_text("\n".join(rows))
    return tmp_path / "set"


def test_the_flagship_is_judged_as_after_its_training(foresee):
    training, networks = import_module("improv.train.sequence_fit"), import_module("improv.train.networks")
    answer = foresee("lstm", questions(MADE, VALIDATION, None, (25,), 10))[None]
    held = training.measure_sequences(networks.restore(load(find("lstm")), training.LENGTH), MADE, 1)
    assert len(answer.pitch) == held.windows == 330 + 160 - 50
    for part in ("pitch", "step", "duration", "velocity"):
        assert np.nanmean(getattr(answer, part)) == pytest.approx(getattr(held, part), abs=1e-4)
    # The second file has no dynamics.
    assert np.isnan(answer.velocity).sum() == 160 - 25


def test_a_window_is_judged_alike_alone_and_in_its_file(foresee):
    these = questions(MADE, VALIDATION, None, (3, 25), 1000)
    first = np.flatnonzero(np.diff(these.files, prepend=-1))
    for name in ("lstm", "tutorial"):
        answers = foresee(name, these)
        # The first note of a file that is asked about has 25 before it, in its file as in its window.
        whole = np.flatnonzero(np.diff(these.target_files, prepend=-1))
        for part in ("pitch", "step", "duration"):
            alone, there = getattr(answers[25], part)[first], getattr(answers[None], part)[whole]
            tolerance = 1e-4 if name == "lstm" else 1e-3
            assert alone == pytest.approx(there, abs=tolerance)
        assert not np.allclose(answers[3].pitch, answers[25].pitch, atol=0.01)


def test_a_point_predictor_has_a_time_and_no_velocity(foresee):
    answer = foresee("tutorial", questions(MADE, VALIDATION, None, (1,), 10))[None]
    assert np.isfinite(answer.step).all()
    assert np.isfinite(answer.duration).all()
    assert np.isnan(answer.velocity).all()


def test_models_of_the_same_name_are_told_apart(evaluating, tmp_path):
    shipped = find("tutorial")
    (tmp_path / "mine").mkdir()
    other = tmp_path / "mine" / "tutorial.safetensors"
    other.write_bytes(find("lstm").read_bytes())
    arguments = ["tutorial", str(other), "tutorial"]
    assert list(evaluating.named([load(shipped), load(other), load(shipped)], arguments)) == [
        "tutorial",
        "mine/tutorial",
    ]


def test_an_evaluation_from_the_command_line(evaluating, music_folder, tmp_path, monkeypatch, capfd):
    # The cache is in the home, and three lengths are as good as five.
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(evaluating, "CONTEXTS", (1, 25))
    monkeypatch.setattr("improv.train.generated.LOOPED", 100)
    command = ["improv", "evaluate", "lstm", "tutorial", "--corpus", str(music_folder), "--quick", "--markdown"]
    monkeypatch.setattr("sys.argv", [*command, "--out", str(tmp_path / "out"), "--json", str(tmp_path / "own.json")])
    with pytest.raises(SystemExit) as left:
        cli.main()
    printed, said = capfd.readouterr()
    assert not left.value.code, said
    figures = json.loads((tmp_path / "own.json").read_text())
    assert figures == json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert (tmp_path / "out" / "set-context.png").stat().st_size > 10_000
    assert (tmp_path / "out" / "set-played.png").stat().st_size > 10_000
    assert str(music_folder) not in json.dumps(figures)
    (made,) = figures["corpora"]
    assert (made["files"], made["notes"]) == (2, 2 * 235)
    rows = {row["name"]: row for row in made["rows"]}
    assert list(rows) == ["unigram", "repeat", "n-gram", "lstm", "tutorial"]
    assert rows["lstm"]["hash"] == load(find("lstm")).hash
    for name, row in rows.items():
        whole = row["figures"]["pitch + step + duration"]
        assert whole["low"] <= whole["value"] <= whole["high"]
        parts = sum(row["figures"][part]["value"] for part in ("pitch", "step", "duration"))
        assert whole["value"] == pytest.approx(parts, abs=1e-3)
        assert f"| {name} | {row['figures']['pitch']['value']:.3f} (" in printed
        assert math.isclose(sum(row["sums"]) / made["notes"], whole["value"], rel_tol=1e-4)
    against = {(each["name"], each["against"]): each["lower"]["value"] for each in made["comparisons"]}
    assert set(against) == {("lstm", "n-gram"), ("lstm", "tutorial"), ("tutorial", "n-gram")}
    sums = {name: sum(row["sums"]) for name, row in rows.items()}
    assert against["lstm", "tutorial"] == pytest.approx(1 - sums["lstm"] / sums["tutorial"], abs=1e-4)
    for name in ("step", "polyphony"):
        closer = made["comparisons"][1]["closer"][name]["value"]
        overlaps = [rows[model]["played"]["overlaps"][name]["value"] for model in ("lstm", "tutorial")]
        assert closer == pytest.approx(overlaps[0] - overlaps[1], abs=1e-4)
    assert rows["tutorial"]["figures"]["velocity"] is None
    assert rows["unigram"]["played"] is None
    assert [loop["runs"] for loop in rows["lstm"]["loops"]] == [24, 24]


def test_what_choosing_brings_from_the_command_line(music_folder, tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("HOME", str(tmp_path))
    # Four candidates are as good as 64 here.
    monkeypatch.setattr(import_module("improv.train.choices"), "COUNTS", (1, 4))
    command = ["improv", "evaluate", "lstm", "--corpus", str(music_folder), "--candidates", "--quick", "--markdown"]
    monkeypatch.setattr("sys.argv", [*command, "--json", str(tmp_path / "own.json")])
    with pytest.raises(SystemExit) as left:
        cli.main()
    printed, said = capfd.readouterr()
    assert not left.value.code, said
    figures = json.loads((tmp_path / "own.json").read_text())
    assert str(music_folder) not in json.dumps(figures)
    (found,) = figures["choices"]
    assert (figures["split"], found["corpus"], found["prompts"], found["files"]) == ("validation", "set", 12, 2)
    assert found["hash"] == load(find("lstm")).hash
    one, four = found["rows"]
    assert four["close"]["overlap"]["value"] > one["close"]["overlap"]["value"]
    assert f"| 4 | {100 * four['close']['overlap']['value']:.1f} (" in printed
    assert f"| likelihood | {100 * found['tried']['likelihood']['overlap']['value']:.1f} (" in printed
    for options in (["--candidates", "--files", "3"], ["--training"]):
        monkeypatch.setattr("sys.argv", ["improv", "evaluate", "lstm", "--corpus", str(music_folder), *options])
        with pytest.raises(SystemExit) as left:
            cli.main()
        assert left.value.code == 2
        assert options[0] in capfd.readouterr().err


def test_a_model_against_itself_is_no_gain(evaluating):
    sums = np.array([3.0, 5.0])
    row, twin = (evaluating.Row(name, "tutorial", "", {}, {}, sums) for name in ("one", "other"))
    for comparison in evaluating.compared([row, twin], draws(2, 1)):
        assert (comparison.lower.value, comparison.lower.low, comparison.lower.high) == (0, 0, 0)


def test_what_cannot_be_evaluated_is_told(evaluating, music_folder, tmp_path, write_midi):
    def run(model, folder):
        plan = evaluating.Plan((model,), (folder,), cache=tmp_path / "cache")
        list(evaluating.evaluate(plan, lambda _: None))

    with pytest.raises(ModelError, match="no model named 'nobody'"):
        run("nobody", music_folder)
    with pytest.raises(CorpusError, match="no such file or folder"):
        run("lstm", tmp_path / "nowhere")
    write_midi(tmp_path / "short" / "a.mid", [60] * 100)
    (tmp_path / "short" / "index.csv").write_text("path,split\na.mid,train\n")
    with pytest.raises(CorpusError, match="short: no file of more than 25 notes held out"):
        run("lstm", tmp_path / "short")
    (tmp_path / "short" / "index.csv").write_text("path,split\na.mid,validation\n")
    with pytest.raises(CorpusError, match="short: no file of more than 25 notes to learn from"):
        run("lstm", tmp_path / "short")


def test_outputs_are_refused_before_the_work(tmp_path):
    prepare = import_module("improv.train.evaluation_report").prepare
    (tmp_path / "file").write_text("")
    with pytest.raises(ImprovError, match="no folder to write to"):
        prepare(tmp_path / "file", None)
    with pytest.raises(ImprovError, match="a folder, and no file"):
        prepare(None, tmp_path)
