import re
from pathlib import Path

import pytest

from improv import config
from improv.control.page import markdown, positions
from improv.control.surface import LEARN_S
from improv.control.table import table
from improv.control.values import wish

PAGE = (Path(__file__).parents[2] / "docs" / "controls.md").read_text(encoding="utf-8")


def test_the_page_holds_every_control_with_its_controller():
    for part in (*markdown().split("\n\n"), positions()):
        assert part.strip() in PAGE


def test_the_page_tells_of_the_settings_there_are(tmp_path):
    examples = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert len(examples) == 4
    for example in examples:
        (tmp_path / "config.yaml").write_text(example, encoding="utf-8")
        config.check(tmp_path / "config.yaml", {})
    assert f"within {LEARN_S:g} seconds" in PAGE


def test_the_pages_commands_are_understood():
    for line in re.findall(r"^improv set (.*)$", PAGE, re.MULTILINE):
        name, _, value = line.partition(" ")
        wish(name, value.strip('"') or None)
    for name in re.findall(r"^improv learn (.*)$", PAGE, re.MULTILINE):
        assert name in table()


@pytest.mark.parametrize("option", re.findall(r"`(--\w+)`", PAGE))
def test_the_pages_options_set_controls(option):
    assert config.OPTIONS[option].startswith("controls.")
