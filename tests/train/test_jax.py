"""The networks are the same on Keras' other backend: equal outputs of equal weights, and they learn."""

import os
import subprocess
import sys
from importlib import import_module

import numpy as np
import pytest

from improv.predict.weights import NETWORKS, Card, load, save

LENGTH = 30
SCRIPT = """
import sys
from pathlib import Path

import keras
import numpy as np

from improv.predict.weights import load
from improv.train.networks import restore
from improv.train.plans import SequencePlan
from improv.train.sequence_fit import fit_sequences

folder, music = Path(sys.argv[1]), Path(sys.argv[2])
inputs = np.load(folder / "inputs.npz")
found = {}
for file in sorted(folder.glob("*.safetensors")):
    weights = load(file)
    notes = inputs["notes"] if file.stem == "tutorial" else [inputs["heard"], inputs["coming"]]
    outputs = restore(weights, inputs["heard"].shape[1]).predict_on_batch(notes)
    found |= {f"{file.stem}.{head}": np.asarray(values) for head, values in outputs.items()}
np.savez(folder / "outputs.npz", **found)
plan = SequencePlan((music,), folder / "trained.safetensors", 960, 4, size=16, length=30, cache=folder / "cache")
fit_sequences(plan, lambda _: None)
print(keras.backend.backend())
"""

pytestmark = pytest.mark.tensorflow


@pytest.fixture(scope="module")
def folder(tmp_path_factory, corpus_in):
    """Models, what they are told, and what JAX made of it; and one that it trained. Takes a while, for all tests."""
    folder = tmp_path_factory.mktemp("jax")
    networks = import_module("improv.train.networks")
    rng = np.random.default_rng(1)
    for name, row in networks.NETWORKS.items():
        card = Card(name, 25, 16, styles=() if name == "tutorial" else ("a",))
        save(folder / f"{name}.safetensors", card, networks.tensors(row.build(16, len(card.styles), LENGTH)))
    heard = rng.integers(0, 32, (2, LENGTH, 5)).astype(np.int32)
    heard[..., 4] = [[0], [1]]
    coming = rng.integers(0, 32, (2, LENGTH, 4)).astype(np.int32)
    np.savez(folder / "inputs.npz", heard=heard, coming=coming, notes=rng.random((2, 25, 3)).astype(np.float32))
    command = [sys.executable, "-c", SCRIPT, str(folder), str(corpus_in(folder))]
    environment = {**os.environ, "KERAS_BACKEND": "jax"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert (done.returncode, done.stdout.splitlines()[-1:]) == (0, ["jax"]), done.stderr
    return folder


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_both_backends_foresee_the_same(folder, name):
    inputs = np.load(folder / "inputs.npz")
    notes = inputs["notes"] if name == "tutorial" else [inputs["heard"], inputs["coming"]]
    network = import_module("improv.train.networks").restore(load(folder / f"{name}.safetensors"), LENGTH)
    found = np.load(folder / "outputs.npz")
    for head, expected in network.predict_on_batch(notes).items():
        assert np.abs(found[f"{name}.{head}"] - np.asarray(expected)).max() <= 1e-5, head


def test_jax_trains_what_numpy_plays(folder):
    card = load(folder / "trained.safetensors").card
    assert (card.network, card.notes) == ("lstm", 960)
    rows = import_module("improv.train.history").read_history(folder / "trained.history.csv")
    assert rows
