import numpy as np
import pytest

from improv.errors import ModelError, UsageError
from improv.predict.weights import Card, Weights
from improv.train.corpus import Corpus
from improv.train.going_on import base_of, corpora_of, licence_of, styles_of, with_styles

TABLE = np.arange(24, dtype=np.float32).reshape(3, 8)
BASE = Weights(
    "base",
    Card("lstm", 25, 8, corpora=("a", "b"), licence="MIT, ODbL 1.0", styles=("a", "b")),
    {"style.table": TABLE, "lstm.bias": np.ones(32, np.float32)},
    "0" * 64,
)


def corpus(name, licence):
    return Corpus(name, licence, np.empty((0, 4), np.float32), np.zeros(1, np.int64), (), {})


def test_old_styles_keep_their_places():
    corpora = [corpus("jazz", "ODbL 1.0"), corpus("b", "MIT")]
    assert styles_of(BASE, corpora) == corpora_of(BASE, corpora) == ("a", "b", "jazz")
    assert styles_of(None, corpora) == corpora_of(None, corpora) == ("jazz", "b")


def test_the_licences_are_those_of_all_music():
    assert licence_of(BASE, [corpus("jazz", "CC0"), corpus("b", "MIT")]) == "CC0, MIT, ODbL 1.0"
    assert licence_of(None, [corpus("jazz", "ODbL 1.0")]) == "ODbL 1.0"
    assert licence_of(BASE, [corpus("both", "MIT, ODbL 1.0")]) == "MIT, ODbL 1.0"


def test_a_new_style_begins_as_the_one_that_is_not_known():
    tensors = with_styles(BASE, 4)
    assert tensors["style.table"].tolist() == [*TABLE.tolist(), TABLE[0].tolist(), TABLE[0].tolist()]
    assert tensors["lstm.bias"] is BASE.tensors["lstm.bias"]


def test_the_base_is_of_the_same_network():
    assert base_of(None, "lstm") is None
    assert base_of("lstm", "lstm").card.network == "lstm"
    with pytest.raises(UsageError, match="--from tutorial: of the network tutorial; --network says lstm"):
        base_of("tutorial", "lstm")
    with pytest.raises(ModelError, match="no model named 'lsmt', did you mean lstm"):
        base_of("lsmt", "lstm")
