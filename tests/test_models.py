"""The models in the repository: each has a card, is small, and is in the wheel if its licence allows."""

import tomllib
from pathlib import Path

import pytest

from improv.predict.engines import engine_of
from improv.predict.weights import SUFFIX, inspect, load

ROOT = Path(__file__).parents[1]
MODELS = sorted((ROOT / "models").glob(f"*{SUFFIX}"))
MOST_BYTES = 8_000_000


@pytest.fixture(scope="module")
def wheel():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return set(settings["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"])


def test_there_are_models():
    assert {file.stem for file in MODELS} >= {"lstm", "tutorial"}


@pytest.mark.parametrize("file", MODELS, ids=lambda file: file.stem)
def test_a_model_can_be_played_and_its_card_tells_of_these_very_weights(file):
    assert file.stat().st_size <= MOST_BYTES
    weights = load(file)
    assert engine_of(weights).info.hash == weights.hash
    text = file.with_suffix(".md").read_text()
    assert weights.hash in text
    assert weights.card.command in text
    assert all(held.corpus in text for held in weights.card.held_out)


@pytest.mark.parametrize("file", MODELS, ids=lambda file: file.stem)
def test_only_what_the_mit_licence_covers_is_in_the_wheel(file, wheel):
    free = inspect(file).licence == "MIT"
    for each in (file, file.with_suffix(".md")):
        assert (f"models/{each.name}" in wheel) is free
    notice = (ROOT / "NOTICE").read_text()
    assert free or file.name in notice
