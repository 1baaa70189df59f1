from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from improv.errors import CorpusError, UsageError
from improv.predict.weights import load
from improv.train.history import history_file, read_history

pytestmark = pytest.mark.tensorflow


@pytest.fixture(scope="module")
def training():
    # Five seconds of import, for these tests alone.
    return import_module("improv.train.fit")


@pytest.fixture
def plan(training, corpus_folder, tmp_path):
    out = tmp_path / "out" / "small.safetensors"
    return training.Plan((corpus_folder,), "tutorial", out, epochs=2, windows=64, batch=16, cache=tmp_path / "cache")


@pytest.fixture(scope="module")
def whole(training, corpus_in, tmp_path_factory):
    """One training without an interruption: its plan, its card and what it reported. Training takes seconds."""
    folder = corpus_in(tmp_path_factory.mktemp("whole"))
    cache = folder.parent / "cache"
    out = folder.parent / "small.safetensors"
    plan = training.Plan((folder,), "tutorial", out, epochs=4, windows=64, batch=16, cache=cache)
    lines = []
    return plan, training.fit(plan, lines.append), lines


def test_training_writes_a_model_that_says_how_it_was_made(whole):
    plan, card, lines = whole
    weights = load(plan.out)
    assert weights.card == card
    assert card.corpora == ("small",)
    assert card.licence == "MIT"
    assert card.command == (
        f"improv train small --network tutorial --out {plan.out} --epochs 4 --windows 64 --batch 16"
    )
    (figures,) = card.held_out
    assert (figures.corpus, figures.windows) == ("small", 35)
    assert 0 < figures.pitch < np.log(128)
    assert any(line.startswith("epoch 4 of 4: ") for line in lines)
    assert lines[0].startswith("small, licence MIT: 2 files to train on")
    rows = read_history(history_file(plan.out))
    assert [row[0] for row in rows if row[2] == "loss"] == [64, 128, 192, 256]
    assert any(row[2] == "held-out small pitch" for row in rows)
    assert plan.out.with_name("small.loss.png").exists()


def test_a_training_that_was_killed_goes_on_to_the_same_weights(training, plan, whole):
    class KilledError(Exception):
        pass

    def kill(line):
        if line.startswith("epoch 3 of 4: "):
            raise KilledError

    plan = replace(plan, epochs=4)
    with pytest.raises(KilledError):
        training.fit(plan, kill)
    lines = []
    card = training.fit(plan, lines.append)
    assert "going on after epoch 2" in lines
    unbroken = whole[1]
    assert (card.epochs, card.loss, card.held_out) == (unbroken.epochs, unbroken.loss, unbroken.held_out)
    tensors = load(whole[0].out).tensors
    assert all(np.array_equal(tensor, tensors[name]) for name, tensor in load(plan.out).tensors.items())
    assert read_history(history_file(plan.out)) == read_history(history_file(whole[0].out))


def test_who_trains_once_more_trains_nothing_again(training, whole):
    lines = []
    assert training.fit(whole[0], lines.append) == whole[1]
    assert "going on after epoch 4" in lines


def test_another_seed_trains_other_weights(training, plan, whole):
    training.fit(replace(plan, seed=7, epochs=4), lambda _: None)
    assert not np.array_equal(load(plan.out).tensors["lstm.kernel"], load(whole[0].out).tensors["lstm.kernel"])


def test_going_on_from_a_model(training, plan, whole):
    base = load(whole[0].out)
    card = training.fit(replace(plan, base=base, epochs=1, rate=1e-9), lambda _: None)
    assert (card.base, card.base_hash) == ("small", base.hash)
    assert card.command.endswith("--from small --epochs 1 --windows 64 --batch 16 --rate 1e-09")
    assert load(plan.out).tensors["lstm.kernel"] == pytest.approx(base.tensors["lstm.kernel"], abs=1e-6)


def test_an_interrupted_training_keeps_the_best_so_far(training, plan):
    def interrupt(line):
        if line.startswith("epoch 3 "):
            raise KeyboardInterrupt

    card = training.fit(replace(plan, epochs=100), interrupt)
    assert 1 <= card.epochs <= 2
    assert load(plan.out).card == card


def test_an_interruption_before_the_first_epoch_leaves_no_file(training, plan):
    def interrupt(line):
        if line.startswith("epoch 1 "):
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
