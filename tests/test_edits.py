from pathlib import Path

import pytest

from improv import config
from improv.edits import Watch, reread, stamp
from improv.settings import Settings

BEFORE = "controls:\n  temperature: 1.2\nports:\n  thru: false\n"


@pytest.fixture
def file(tmp_path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(BEFORE, encoding="utf-8")
    return path


def edit(file: Path, text: str, overrides=None, styles=None):
    before = config.check(file, overrides or {})
    file.write_text(text, encoding="utf-8")
    return before, reread(file, overrides or {}, before, styles)


def test_only_the_controls_that_were_edited_change(file):
    _, edited = edit(file, "controls:\n  temperature: 1.2\n  density: 2\n  mute: true\n")
    assert edited.controls == (("density", 2.0), ("mute", True))
    assert (edited.live, edited.later, edited.problems) == ((), (), ())
    assert edited.settings == config.check(file, {})


def test_a_control_that_is_taken_out_gets_its_default(file):
    assert edit(file, "")[1].controls == (("temperature", 1.0),)


def test_presets_map_and_pedals_take_effect_now_and_the_rest_at_the_next_start(file):
    _, edited = edit(
        file,
        "controls:\n  temperature: 1.2\n"
        "ports:\n  thru: true\n  output: synth\n"
        "presets:\n  1:\n    mode: duet\n"
        "midi:\n  channel: 16\n  takeover: jump\n  learned: other.json\n"
        "pedals:\n  soft: hold\n",
    )
    assert edited.controls == ()
    assert edited.live == ("presets", "midi", "pedals")
    assert edited.later == ("ports.output", "ports.thru", "midi.learned")
    assert edited.settings.presets[0].values == (("mode", "duet"),)


def test_a_wrong_file_changes_nothing_and_says_why_as_at_the_start(file):
    before, edited = edit(file, "controls:\n  temperature: 9\n  mode: duett\n")
    assert edited.settings is before
    assert (edited.controls, edited.live, edited.later) == ((), (), ())
    assert edited.problems == (
        f"{file}:2: controls.temperature: 9 is not a number from 0.05 to 4",
        f'{file}:3: controls.mode: "duett" is not one of answer, duet, trade, solo, listen; did you mean duet?',
    )


def test_options_of_the_command_line_stay_on_top(file):
    _, edited = edit(file, "controls:\n  mode: solo\n  temperature: 1.2\n", {"--mode": "duet"})
    assert (edited.controls, edited.settings.controls.mode) == ((), "duet")


def test_a_style_that_the_model_has_not_is_refused(file):
    text = "controls:\n  style: polka\npresets:\n  1:\n    style: bebop\n"
    _, edited = edit(file, text, styles=("swing",))
    assert edited.problems == (
        f'{file}: controls.style: "polka" is not one of swing, or null',
        f'{file}: controls.style: "bebop" is not one of swing, or null',
    )
    assert edit(file, text, styles=("bebop", "polka"))[1].problems == ()


def test_an_edit_is_seen_once_and_only_when_the_file_rests(file):
    watch = Watch(file, stamp(file))
    assert not any(watch.look() for _ in range(3))
    file.write_text("", encoding="utf-8")
    assert not watch.look()
    file.write_text("controls:\n  density: 2\n", encoding="utf-8")
    assert not watch.look()
    assert watch.look()
    assert not any(watch.look() for _ in range(3))


def test_a_file_that_is_put_in_anothers_place_is_seen(file):
    watch = Watch(file, stamp(file))
    draft = file.with_name("draft")
    draft.write_text(BEFORE.replace("1.2", "1.3"), encoding="utf-8")
    file.unlink()
    assert [watch.look() for _ in range(3)] == [False] * 3
    draft.replace(file)
    assert [watch.look() for _ in range(3)] == [False, True, False]


def test_a_file_that_comes_later_is_seen(tmp_path):
    file = tmp_path / "config.yaml"
    watch = Watch(file, stamp(file))
    assert not any(watch.look() for _ in range(3))
    file.write_text(BEFORE, encoding="utf-8")
    assert [watch.look() for _ in range(2)] == [False, True]
    assert reread(file, {}, Settings()).controls == (("temperature", 1.2),)


def test_a_file_that_was_edited_between_reading_and_watching_is_seen(file):
    seen = stamp(file)
    file.write_text("controls:\n  density: 2\n", encoding="utf-8")
    watch = Watch(file, seen)
    assert [watch.look() for _ in range(3)] == [False, True, False]
