from dataclasses import replace
from importlib import import_module
from pathlib import Path
from shutil import copy

import numpy as np
import pytest

from improv.errors import CorpusError, ModelError
from improv.predict.continuation import continuations
from improv.predict.engine import Taste
from improv.predict.engines import engine_of
from improv.predict.weights import load
from improv.train.history import history_file, read_history

pytestmark = pytest.mark.tensorflow


@pytest.fixture(scope="module")
def training():
    # Five seconds of import, for these tests alone.
    return import_module("improv.train.sequence_fit")


@pytest.fixture(scope="module", autouse=True)
def often(training):
    """A line after every batch, a look and a checkpoint after every second one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "_A_GLANCE", 2)
        patch.setattr(training, "_LOOKS", 2)
        patch.setattr(training, "_A_CHECKPOINT", 2)
        patch.setattr(training, "_A_LINE", 1)
        yield


@pytest.fixture
def plan(training, corpus_folder, tmp_path):
    # Four batches of 4 sequences of 30 notes.
    out = tmp_path / "out" / "small.safetensors"
    return training.SequencePlan(
        (corpus_folder,), out, notes=480, batch=4, size=16, length=30, cache=tmp_path / "cache"
    )


@pytest.fixture(scope="module")
def whole(training, often, corpus_in, tmp_path_factory):
    """One training without an interruption: its plan, its card and what it reported. Training takes seconds."""
    folder = corpus_in(tmp_path_factory.mktemp("whole"))
    out = folder.parent / "small.safetensors"
    plan = training.SequencePlan((folder,), out, notes=480, batch=4, size=16, length=30, cache=folder.parent / "cache")
    lines = []
    return plan, training.fit_sequences(plan, lines.append), lines


def test_training_writes_a_model_that_says_how_it_was_made(whole):
    plan, card, lines = whole
    assert load(plan.out).card == card
    assert (card.network, card.units, card.styles, card.licence, card.carry) == ("lstm", 16, ("small",), "MIT", True)
    assert card.command == f"improv train small --network lstm --out {plan.out} --notes 480 --batch 4"
    assert card.notes <= 480
    (figures,) = card.held_out
    # The 35 notes of the held-out file that have 25 before them.
    assert (figures.corpus, figures.windows, figures.velocity) == ("small", 35, None)
    assert 0 < figures.pitch < 2 * np.log(128)
    assert any(line.startswith("batch 4 of 4: loss ") for line in lines)
    rows = read_history(history_file(plan.out))
    assert [row[0] for row in rows if row[2] == "loss"] == [120, 240, 360, 480]
    assert [row[0] for row in rows if row[2] == "held-out small pitch"] == [240, 480]
    assert plan.out.with_name("small.loss.png").exists()


def test_a_training_that_was_killed_goes_on_to_the_same_weights(training, plan, whole):
    class KilledError(Exception):
        pass

    def kill(line):
        if line.startswith("batch 4 "):
            raise KilledError

    with pytest.raises(KilledError):
        training.fit_sequences(plan, kill)
    lines = []
    training.fit_sequences(plan, lines.append)
    assert "going on after batch 2" in lines
    expected = load(whole[0].out).tensors
    assert all(np.array_equal(tensor, expected[name]) for name, tensor in load(plan.out).tensors.items())
    # Nothing is told twice.
    assert [row[0] for row in read_history(history_file(plan.out)) if row[2] == "loss"] == [120, 240, 360, 480]


def test_another_seed_is_another_plan(training, plan, whole):
    plan.out.parent.mkdir(parents=True)
    copy(training.checkpoint_file(whole[0]), training.checkpoint_file(plan))
    lines = []
    training.fit_sequences(replace(plan, seed=9), lines.append)
    assert any("of another plan" in line for line in lines)
    assert not np.array_equal(load(plan.out).tensors["lstm.kernel"], load(whole[0].out).tensors["lstm.kernel"])


def test_an_interrupted_training_keeps_the_best_so_far(training, plan):
    def interrupt(line):
        if line.startswith("batch 3 "):
            raise KeyboardInterrupt

    card = training.fit_sequences(replace(plan, notes=4800), interrupt)
    assert card.notes == 240
    assert load(plan.out).card == card


def test_a_little_music_is_enough(training, plan, tmp_path, write_midi):
    for index in range(4):
        write_midi(tmp_path / "little" / f"{index}.mid", [60 + index + at % 5 for at in range(12 + index)])
    lines = []
    card = training.fit_sequences(replace(plan, corpora=(tmp_path / "little",)), lines.append)
    assert "little music: sequences of at most 29 notes" in lines
    assert load(plan.out).card == card
    losses = [row[3] for row in read_history(history_file(plan.out)) if row[2] == "loss"]
    # As much as without padding: a note of a batch weighs the same.
    assert losses[0] == pytest.approx(np.log(66) + np.log(128) + 0.5 * np.log(66), abs=0.5)
    assert losses[-1] < losses[0]


def test_next_to_no_music_is_refused(training, plan, tmp_path, write_midi):
    write_midi(tmp_path / "none" / "a.mid", [60] * 29)
    with pytest.raises(CorpusError, match="only 29 notes to train on; 30 are the least"):
        training.fit_sequences(replace(plan, corpora=(tmp_path / "none",)), lambda _: None)


def test_a_model_that_could_not_be_written_is_told_at_once(training, plan, tmp_path):
    (tmp_path / "blocked").write_text("a file")
    with pytest.raises(ModelError, match="cannot be written"):
        training.fit_sequences(replace(plan, out=tmp_path / "blocked" / "a.safetensors"), lambda _: None)


@pytest.mark.parametrize("network", ["conv", "wavenet"])
def test_every_network_of_sequences_is_trained_saved_and_played(training, plan, network):
    card = training.fit_sequences(replace(plan, network=network), lambda _: None)
    weights = load(plan.out)
    assert (weights.card.network, weights.card) == (network, card)
    assert f"--network {network}" in card.command
    rows = read_history(history_file(plan.out))
    losses = [row[3] for row in rows if row[2] == "loss"]
    assert losses[-1] < losses[0]
    prompt = np.array([[60, 0, 0.2, 80]], np.float32)
    notes = continuations(engine_of(weights), prompt, 20, Taste(), seed=1)
    assert np.isfinite(notes).all()


def test_a_plan_at_its_defaults_has_a_short_command(training):
    plan = training.SequencePlan((Path("somewhere/a"), Path("b")), Path("models/lstm.safetensors"))
    assert plan.command == "improv train a b --network lstm --out models/lstm.safetensors"


def test_going_on_from_a_model_keeps_its_styles_and_gives_the_new_one_a_place(
    training, plan, whole, tmp_path, write_midi
):
    base = load(whole[0].out)
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


def test_a_checkpoint_belongs_to_the_model_it_went_on_from(plan, whole):
    base = load(whole[0].out)
    keys = {each.key([]) for each in (plan, replace(plan, base=base), replace(plan, base=replace(base, hash="other")))}
    assert len(keys) == 3
    # Less shaken than from nothing, unless told otherwise.
    assert replace(plan, base=base).peak < plan.peak
    assert replace(plan, base=base, rate=0.5).peak == 0.5
