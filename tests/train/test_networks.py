"""The tutorial's network is the tutorial's network."""

from importlib import import_module

import numpy as np
import pytest

from improv.predict.weights import NETWORKS, Card, Weights, find, load

pytestmark = pytest.mark.tensorflow


@pytest.fixture(scope="module")
def networks():
    # Five seconds of import, for these tests alone.
    return import_module("improv.train.networks")


def test_the_tutorials_network_has_84354_parameters(networks):
    network = networks.tutorial()
    assert network.count_params() == 84_354
    counts = {layer.name: layer.count_params() for layer in network.layers if layer.weights}
    assert counts == {"lstm": 67_584, "pitch": 16_512, "step": 129, "duration": 129}
    assert network.input_shape == (None, 25, 3)


def test_it_is_trained_as_in_the_tutorial(networks):
    network = networks.tutorial()
    assert type(network.optimizer).__name__ == "Adam"
    assert float(network.optimizer.learning_rate) == pytest.approx(0.005)
    config = network.get_compile_config()
    assert config["loss_weights"] == {"pitch": 0.05, "step": 1.0, "duration": 1.0}
    assert config["loss"]["pitch"]["class_name"] == "SparseCategoricalCrossentropy"
    assert config["loss"]["pitch"]["config"]["from_logits"] is True


def test_times_below_zero_are_pushed_up(networks):
    true = np.array([[1.0], [0.5]], np.float32)
    predicted = np.array([[0.5], [-0.5]], np.float32)
    # Squared errors 0.25 and 1, and ten times 0.5 for being below zero, over two notes.
    assert float(networks.mse_with_positive_pressure(true, predicted)) == pytest.approx((0.25 + 1 + 5) / 2)
    assert float(networks.mse_with_positive_pressure(true, true)) == 0


def test_the_table_holds_all_networks(networks):
    assert networks.NETWORKS.keys() == NETWORKS.keys()
    assert {name for name, row in networks.NETWORKS.items() if row.sequences} == {"lstm", "conv", "wavenet"}


@pytest.mark.parametrize("name", ["lstm", "conv", "wavenet"])
def test_the_networks_of_sequences_are_of_a_size(networks, name):
    row = networks.NETWORKS[name]
    count = row.build(row.units, 2, 30).count_params()
    assert 1_000_000 <= count <= 1_500_000
    # A model file may have 8 MB.
    assert 4 * count <= 8_000_000


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_weights_go_into_a_model_file_and_back(networks, name):
    rng = np.random.default_rng(1)
    card = Card(name, 25, 16, styles=() if name == "tutorial" else ("a", "b"))
    shapes = NETWORKS[name](card)
    tensors = {part: rng.standard_normal(shape).astype(np.float32) for part, shape in shapes.items()}
    network = networks.restore(Weights("random", card, tensors, ""))
    assert network.count_params() == sum(tensor.size for tensor in tensors.values())
    again = networks.tensors(network)
    assert again.keys() == tensors.keys()
    assert all(np.array_equal(again[name], tensors[name]) for name in tensors)


def test_the_shipped_model_is_the_tutorials_network():
    weights = load(find("tutorial"))
    assert sum(tensor.size for tensor in weights.tensors.values()) == 84_354
    assert (weights.card.network, weights.card.window, weights.card.licence) == ("tutorial", 25, "MIT")
