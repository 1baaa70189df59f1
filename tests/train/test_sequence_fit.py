from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from improv.errors import CorpusError
from improv.predict.weights import load

pytestmark = pytest.mark.tensorflow


@pytest.fixture(scope="module")
def training():
    # Five seconds of import, for these tests alone.
    return import_module("improv.train.sequence_fit")


@pytest.fixture
def plan(training, corpus_folder, tmp_path, monkeypatch):
    # Four batches of 4 sequences of 30 notes; a look and a checkpoint after every second one.
    monkeypatch.setattr(training, "_A_GLANCE", 2)
    monkeypatch.setattr(training, "_A_CHECKPOINT", 2)
    monkeypatch.setattr(training, "_A_LINE", 1)
    out = tmp_path / "out" / "small.safetensors"
    return training.SequencePlan(
        (corpus_folder,), out, notes=480, batch=4, size=16, length=30, cache=tmp_path / "cache"
    )


def test_training_writes_a_model_that_says_how_it_was_made(training, plan):
    lines = []
    card = training.fit_sequences(plan, lines.append)
    assert load(plan.out).card == card
    assert (card.network, card.units, card.styles, card.licence, card.carry) == ("lstm", 16, ("small",), "MIT", True)
    assert card.command == f"improv train small --network lstm --out {plan.out} --notes 480 --batch 4"
    assert card.notes <= 480
    (figures,) = card.held_out
    # The 35 notes of the held-out file that have 25 before them.
    assert (figures.corpus, figures.windows, figures.velocity) == ("small", 35, None)
    assert 0 < figures.pitch < 2 * np.log(128)
    assert any(line.startswith("batch 4 of 4: loss ") for line in lines)


def test_the_same_seed_trains_the_same_weights(training, plan):
    hashes = set()
    for seed in (1, 1, 2):
        training.checkpoint_file(plan).unlink(missing_ok=True)
        training.fit_sequences(replace(plan, seed=seed), lambda _: None)
        hashes.add(load(plan.out).tensors["lstm.kernel"].tobytes())
    assert len(hashes) == 2


def test_a_training_that_was_killed_goes_on_to_the_same_weights(training, plan, tmp_path):
    class KilledError(Exception):
        pass

    def kill(line):
        if line.startswith("batch 3 "):
            raise KilledError

    whole = replace(plan, out=tmp_path / "whole.safetensors")
    training.fit_sequences(whole, lambda _: None)
    with pytest.raises(KilledError):
        training.fit_sequences(plan, kill)
    lines = []
    training.fit_sequences(plan, lines.append)
    assert "going on after batch 2" in lines
    expected = load(whole.out).tensors
    assert all(np.array_equal(tensor, expected[name]) for name, tensor in load(plan.out).tensors.items())


def test_an_interrupted_training_keeps_the_best_so_far(training, plan):
    def interrupt(line):
        if line.startswith("batch 3 "):
            raise KeyboardInterrupt

    card = training.fit_sequences(replace(plan, notes=4800), interrupt)
    assert card.notes == 240
    assert load(plan.out).card == card


def test_the_checkpoint_of_another_plan_is_left_alone(training, plan):
    training.fit_sequences(plan, lambda _: None)
    lines = []
    training.fit_sequences(replace(plan, seed=9), lines.append)
    assert any("of another plan" in line for line in lines)


def test_a_damaged_checkpoint_is_no_end(training, plan):
    training.checkpoint_file(plan).parent.mkdir(parents=True)
    training.checkpoint_file(plan).write_bytes(b"PK\x03\x04 nonsense")
    lines = []
    training.fit_sequences(plan, lines.append)
    assert any("cannot be gone on from" in line for line in lines)


def test_a_corpus_of_short_files_is_refused(training, plan, tmp_path, write_midi):
    write_midi(tmp_path / "short" / "a.mid", [60] * 30)
    with pytest.raises(CorpusError, match="no file has 31 notes"):
        training.fit_sequences(replace(plan, corpora=(tmp_path / "short",)), lambda _: None)


def test_a_plan_at_its_defaults_has_a_short_command(training):
    plan = training.SequencePlan((Path("somewhere/a"), Path("b")), Path("models/lstm.safetensors"))
    assert plan.command == "improv train a b --network lstm --out models/lstm.safetensors"


def test_going_on_from_a_model_keeps_its_styles_and_gives_the_new_one_a_place(training, plan, tmp_path, write_midi):
    training.fit_sequences(plan, lambda _: None)
    base = load(plan.out)
    for index in range(3):
        write_midi(tmp_path / "jazz" / f"{index}.mid", [60 + (7 * at + index) % 12 for at in range(60)])
    (tmp_path / "jazz" / "LICENSE").write_text("Blue License\n")
    further = replace(
        plan, corpora=(tmp_path / "jazz",), out=tmp_path / "jazz.safetensors", notes=120, base=base, rate=1e-7
    )
    card = training.fit_sequences(further, lambda _: None)
    weights = load(further.out)
    assert weights.card == card
    assert card.styles == card.corpora == ("small", "jazz")
    assert (card.base, card.base_hash, card.licence) == ("small", base.hash, "Blue, MIT")
    assert "--from small" in card.command
    # At next to no learning rate, the weights are those of the base, and the new style is that of the unknown one.
    table = weights.tensors["style.table"]
    assert table[:2] == pytest.approx(base.tensors["style.table"], abs=1e-6)
    assert table[2] == pytest.approx(base.tensors["style.table"][0], abs=1e-6)
    assert weights.tensors["lstm.kernel"] == pytest.approx(base.tensors["lstm.kernel"], abs=1e-6)


def test_a_checkpoint_belongs_to_the_model_it_went_on_from(training, plan):
    training.fit_sequences(plan, lambda _: None)
    base = load(plan.out)
    keys = {each.key([]) for each in (plan, replace(plan, base=base), replace(plan, base=replace(base, hash="other")))}
    assert len(keys) == 3
    # Less shaken than from nothing, unless told otherwise.
    assert replace(plan, base=base).peak < plan.peak
    assert replace(plan, base=base, rate=0.5).peak == 0.5
