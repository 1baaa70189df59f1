from importlib import import_module

import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow


@pytest.fixture(scope="module")
def checkpoint():
    # Five seconds of import, for these tests alone.
    return import_module("improv.train.checkpoint")


def network(units=2):
    keras = import_module("keras")
    notes = keras.Input((3,))
    model = keras.Model(notes, keras.layers.Dense(units, name="step")(notes))
    model.compile(keras.optimizers.Adam())
    return model


@pytest.fixture
def stored(checkpoint, tmp_path):
    """A checkpoint, its network and how far that had come."""
    trained = network()
    standing = checkpoint.Standing(done=7)
    standing.keep_best(trained, 1.5)
    standing.done, standing.since = 9, 2
    standing.store(tmp_path / "kept" / "a.npz", "key", trained)
    return tmp_path / "kept" / "a.npz", trained, standing


def test_what_was_stored_is_gone_on_from(checkpoint, stored):
    file, trained, standing = stored
    other, lines = network(), []
    again = checkpoint.resume(file, "key", other, lines.append)
    assert (again.done, again.loss, again.since, again.best_at) == (9, 1.5, 2, 7)
    assert again.best.keys() == standing.best.keys() == {"step.kernel", "step.bias"}
    for ours, theirs in zip(other.weights, trained.weights, strict=True):
        assert np.array_equal(ours, theirs)
    assert not lines


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda _: None, "of another plan"),
        (lambda file: file.write_bytes(b"PK\x03\x04 nonsense"), "cannot be gone on from"),
        (lambda file: file.write_bytes(file.read_bytes()[:300]), "cannot be gone on from"),
    ],
)
def test_what_does_not_fit_is_told_and_left(checkpoint, stored, change, told):
    file = stored[0]
    change(file)
    lines = []
    assert checkpoint.resume(file, "another key", network(), lines.append) == checkpoint.Standing()
    assert len(lines) == 1
    assert told in lines[0]


def test_the_checkpoint_of_another_network_is_left(checkpoint, stored):
    lines = []
    assert checkpoint.resume(stored[0], "key", network(3), lines.append).done == 0
    assert lines == [f"{stored[0]}: of another network; starting from the beginning"]


def test_without_a_checkpoint_or_room_for_one_training_goes_on(checkpoint, tmp_path):
    lines = []
    assert checkpoint.resume(tmp_path / "none.npz", "key", network(), lines.append).done == 0
    (tmp_path / "blocked").write_text("a file")
    checkpoint.Standing().store(tmp_path / "blocked" / "a.npz", "key", network())
    assert not lines
