from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from improv.errors import CorpusError, UsageError
from improv.predict.weights import load

pytestmark = pytest.mark.tensorflow


@pytest.fixture(scope="module")
def training():
    # Five seconds of import, for these tests alone.
    return import_module("improv.train.fit")


@pytest.fixture
def plan(training, corpus_folder, tmp_path):
    out = tmp_path / "out" / "small.safetensors"
    return training.Plan((corpus_folder,), "tutorial", out, epochs=2, windows=64, batch=16, cache=tmp_path / "cache")


def test_training_writes_a_model_that_says_how_it_was_made(training, plan):
    lines = []
    card = training.fit(plan, lines.append)
    weights = load(plan.out)
    assert weights.card == card
    assert card.corpora == ("small",)
    assert card.licence == "MIT"
    assert card.command == (
        f"improv train small --network tutorial --out {plan.out} --epochs 2 --windows 64 --batch 16"
    )
    (figures,) = card.held_out
    assert (figures.corpus, figures.windows) == ("small", 35)
    assert 0 < figures.pitch < np.log(128)
    assert any(line.startswith("epoch 2 of 2: ") for line in lines)
    assert lines[0].startswith("small, licence MIT: 2 files to train on")


def test_the_same_seed_trains_the_same_weights(training, plan):
    training.fit(plan, lambda _: None)
    first = load(plan.out)
    training.fit(plan, lambda _: None)
    assert load(plan.out).hash == first.hash
    training.fit(replace(plan, seed=7), lambda _: None)
    assert not np.array_equal(load(plan.out).tensors["lstm.kernel"], first.tensors["lstm.kernel"])


def test_an_interrupted_training_keeps_the_best_so_far(training, plan):
    def interrupt(line):
        if line.startswith("epoch 3 "):
            raise KeyboardInterrupt

    card = training.fit(replace(plan, epochs=100), interrupt)
    assert 1 <= card.epochs <= 2
    assert load(plan.out).card == card


def test_an_interruption_before_the_first_epoch_leaves_no_file(training, plan):
    def interrupt(line):
        if line.startswith("epoch"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        training.fit(plan, interrupt)
    assert not plan.out.exists()


def test_training_learns_and_stops_when_it_learns_no_more(training, plan, monkeypatch):
    monkeypatch.setattr(training, "PATIENCE", 1)
    lines = []
    card = training.fit(replace(plan, epochs=60), lines.append)
    losses = [float(line.partition(" loss ")[2].partition(",")[0]) for line in lines if " of 60: " in line]
    assert card.loss < losses[0]
    assert card.epochs < 60


def test_an_unknown_network_is_refused(training, plan):
    with pytest.raises(UsageError, match="unknown network 'wavenet'"):
        training.fit(replace(plan, network="wavenet"), lambda _: None)


def test_a_corpus_of_short_files_is_refused(training, plan, tmp_path, write_midi):
    write_midi(tmp_path / "short" / "a.mid", [60] * 25)
    with pytest.raises(CorpusError, match="no file has 26 notes"):
        training.fit(replace(plan, corpora=(tmp_path / "short",)), lambda _: None)


def test_a_plan_at_its_defaults_has_a_short_command(training):
    plan = training.Plan((Path("somewhere/a"), Path("b")), "tutorial", Path("models/tutorial.safetensors"))
    assert plan.command == "improv train a b --network tutorial --out models/tutorial.safetensors"
