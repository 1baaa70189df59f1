import dataclasses
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from improv import config
from improv.errors import UsageError
from improv.settings import Settings

ROOT = Path(__file__).parents[1]


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Return a function that writes ./config.yaml in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    return lambda text: Path("config.yaml").write_text(text, encoding="utf-8")


def problems(path=None, overrides=None) -> list[str]:
    with pytest.raises(UsageError) as raised:
        config.load(path, overrides)
    return str(raised.value).splitlines()


def test_the_file_that_comes_with_improv_holds_every_setting_at_its_default():
    shipped = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    defaults = dataclasses.asdict(Settings())
    defaults["ports"]["inputs"] = list(defaults["ports"]["inputs"])
    assert shipped == defaults
    assert config.load(ROOT / "config.yaml") == Settings()


def test_every_setting_in_the_file_has_a_comment_above_its_group():
    lines = (ROOT / "config.yaml").read_text(encoding="utf-8").splitlines()
    for section in dataclasses.fields(Settings):
        assert lines[lines.index(f"{section.name}:") - 1].startswith("#")


def test_a_config_in_the_current_folder_is_found(written):
    written("model:\n  seed: 7\n")
    assert config.load().model.seed == 7


def test_without_one_the_shipped_file_is_used(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert config.find().is_absolute()
    assert config.load() == Settings()


def test_what_is_left_out_keeps_its_default(written):
    written("ports:\n  inputs: [Keystation, nano]\nturns:\n")
    loaded = config.load()
    assert loaded.ports.inputs == ("Keystation", "nano")
    assert dataclasses.replace(loaded, ports=Settings().ports) == Settings()


@pytest.mark.parametrize("text", ["", "# nothing\n", "null\n", "\ufeffports:\n"])
def test_an_empty_file_is_all_defaults(written, text):
    written(text)
    assert config.load() == Settings()


def test_every_problem_is_reported_at_once_with_its_line(written):
    written(
        "ports:\n"
        "  backend: alsaa\n"
        "  output_chanel: 3\n"
        "  output_channel: 17\n"
        "  fade_ms: 3\n"
        "  thru: 1\n"
        "  thru: false\n"
        "turns:\n"
        "  silence_min_ms: 2000\n"
        "  drone_s: .nan\n"
        "barge_in: 5\n"
        "modle:\n"
    )
    assert problems() == [
        'config.yaml:2: ports.backend: "alsaa" is not one of auto, alsa, jack, coremidi, winmm, none; '
        "did you mean alsa?",
        "config.yaml:3: ports.output_chanel: unknown key, did you mean output_channel?",
        "config.yaml:4: ports.output_channel: 17 is not a whole number from 1 to 16",
        "config.yaml:5: ports.fade_ms: unknown key, it belongs under barge_in",
        "config.yaml:6: ports.thru: 1 is not true or false",
        "config.yaml:7: ports.thru: is there twice, first on line 6",
        "config.yaml:9: turns.silence_min_ms: 2000 is more than turns.silence_max_ms, which is 1500",
        "config.yaml:10: turns.drone_s: NaN is not a number from 0.5 to 60",
        "config.yaml:11: barge_in: must have its settings below it, indented: cut, fade_ms, ghost_velocity, ghost_ms",
        "config.yaml:12: modle: unknown key, did you mean model?",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("ports:\n  thru: [\n", "config.yaml:3: is not valid YAML: "),
        ("ports:\n\tthru: true\n", "config.yaml:2: is not valid YAML: "),
        ("ports: *nowhere\n", "config.yaml:1: is not valid YAML: "),
        ("ports:\n  inputs: &a [*a]\n", "config.yaml:2: is not valid YAML: "),
        ("ports:\n  name: 2026-13-01\n", "config.yaml:2: is not valid YAML: month"),
        ("ports:\n  name: !!python/name:os.system\n", "config.yaml:2: is not valid YAML: "),
        ("ports:\n  name: \a\n", "config.yaml: is not valid YAML: "),
        ("- ports\n", "config.yaml:1: holds no settings"),
        ("jack\n", "config.yaml:1: holds no settings"),
        ("ports:\n  inputs: [nano, 3]\n", 'config.yaml:2: ports.inputs: ["nano", 3] is not a list of names'),
        ("model:\n  seed: 2026-11-23\n", 'config.yaml:2: model.seed: "2026-11-23" is not a whole number'),
        (
            "controls:\n  lowest: 101\n",
            "config.yaml:2: controls.lowest: 101 is more than controls.highest, which is 100",
        ),
        ("turns:\n  max_answer_s: 0.5\n", "config.yaml:2: turns.max_answer_s: 0.5 is less than turns.min_answer_s"),
    ],
)
def test_one_problem(written, text, problem):
    written(text)
    (line,) = problems()
    assert line.startswith(problem)


def test_a_file_that_cannot_be_read(tmp_path):
    (tmp_path / "latin.yaml").write_bytes(b"ports: \xe9\n")
    assert problems(tmp_path / "none.yaml")[0].endswith("none.yaml: cannot be read: No such file or directory")
    assert problems(tmp_path)[0].endswith("cannot be read: Is a directory")
    assert problems(tmp_path / "latin.yaml")[0].endswith("latin.yaml: is not UTF-8 text")


def test_options_go_on_top_and_are_checked_alike(written):
    written("ports:\n  inputs: 3\n  backend: jackk\nmodel:\n  seed: 7\n")
    assert problems(overrides={"--in": ("nano",), "--seed": -1}) == [
        "--seed: -1 is not a whole number from 0 to 4294967295, or null",
        'config.yaml:3: ports.backend: "jackk" is not one of auto, alsa, jack, coremidi, winmm, none; '
        "did you mean jack?",
    ]
    written("ports:\n  inputs: 3\n")
    assert config.load(None, {"--in": ["nano"], "--seed": 8}).ports.inputs == ("nano",)


def test_every_option_names_a_setting():
    for place in config.OPTIONS.values():
        section, key = place.split(".")
        assert hasattr(getattr(Settings(), section), key)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200, deadline=None)
@given(text=st.text(st.sampled_from("ports:\n inu[]{}&*!-#'\"0.|>?,\t~"), max_size=60))
def test_no_text_does_worse_than_a_list_of_problems(written, text):
    written(text)
    try:
        config.load()
    except UsageError as error:
        assert str(error).startswith("config.yaml")
