"""Keras' engines foresee what the numpy engines foresee, and draw the same notes from the same numbers."""

from contextlib import suppress
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

import improv
from improv.predict.bins import binned
from improv.predict.encoding import DURATION, PITCH, STEP, VELOCITY
from improv.predict.engine import Taste
from improv.predict.engines import engine_of
from improv.predict.grid import TIMES
from improv.predict.numpy_engine import NumpyEngine
from improv.predict.sampling import uniforms
from improv.predict.weights import Card, Weights, find, load, sequence_shapes

# A performance of the validation split of pianolatron, which no network was trained on.
HELD_OUT = Path(improv.__file__).parent / "assets" / "demo.mid"
COUNT = 2000
# Every so many notes one is drawn from both.
DRAWN = 4
UNITS = 192
NETWORKS = ("tutorial", "lstm", "conv", "wavenet")
# Single precision knows a logit of 16 to 1e-6; so much comes on top, for their size.
RELATIVE = 1e-6
# C major, as strictly as may be.
BIAS = tuple(0.0 if pitch in {0, 2, 4, 5, 7, 9, 11} else -5.0 for pitch in range(12))
TASTES = (
    Taste(),
    Taste(elapsed_s=0.7),
    Taste(0.5, 1.0, 40, 80),
    Taste(1.5, 0.8, 0, 127, elapsed_s=9.0),
    Taste(bias=BIAS),
    Taste(0.8, 1.0, 30, 90, 0.02, density=2.0),
    Taste(1.2, elapsed_s=0.7, bias=tuple(value / 4 for value in BIAS), density=0.4),
)

pytestmark = pytest.mark.tensorflow


def weights_of(network):
    """The shipped weights, where there are some, else random ones."""
    if network in {"tutorial", "lstm"}:
        return load(find(network))
    rng = np.random.default_rng(4)
    tensors = {
        name: rng.normal(0, 0.1 if name.endswith("bias") else np.prod(shape[:-1]) ** -0.5, shape).astype(np.float32)
        for name, shape in sequence_shapes(network, UNITS, 2).items()
    }
    return Weights("random", Card(network, 25, UNITS, carry=True, styles=("calm", "wild")), tensors, "")


@pytest.fixture(scope="module", autouse=True)
def tolerance():
    backend = import_module("improv.engine.backend")
    with suppress(ImportError, RuntimeError):  # JAX alone; or another test of this run has been computing
        backend.prepare()
    return 1e-4 if backend.has_gpu() else 1e-5


@pytest.fixture(scope="module")
def notes():
    return import_module("improv.train.midi").read_notes(HELD_OUT)[: COUNT + 26]


@pytest.fixture(scope="module", params=NETWORKS)
def pair(request):
    """The two engines of a network; the tutorial's carries its state, for it is to carry it far."""
    weights = weights_of(request.param)
    keras = import_module("improv.engine.engines").keras_engine_of
    if request.param == "tutorial":
        carried = import_module("improv.engine.tutorial").TutorialEngine(weights, carry=True)
        return NumpyEngine(weights, carry=True), carried
    return engine_of(weights), keras(weights)


def logits(engine, state, coming):
    """Return every head's outputs of a numpy engine; `coming` (batch, 4): the notes whose parts the heads are told."""
    if isinstance(engine, NumpyEngine):
        pitch, step, duration = engine.heads(state)
        return {"pitch": pitch, "step": step[:, None], "duration": duration[:, None]}
    bins, known = binned(coming).astype(np.int64), engine.heads(state)
    return {
        "step": known[:, :TIMES],
        "pitch": engine.pitch_logits(state, known, bins),
        "velocity": engine.velocity_logits(known, bins),
        "duration": engine.duration_logits(known, bins),
    }


def logits_of_keras(engine, state, coming):
    return engine.logits(state) if engine.info.network == "tutorial" else engine.logits(state, binned(coming))


def assert_alike(ours, theirs, tolerance):
    assert ours.keys() == theirs.keys()
    for head in ours:
        np.testing.assert_allclose(theirs[head], ours[head], rtol=RELATIVE, atol=tolerance, err_msg=head)


def test_over_2000_carried_notes_every_head_is_alike_and_the_drawn_notes_are_the_same(pair, notes, tolerance):
    numpy, keras = pair
    ours, theirs = numpy.prime(notes[:25]), keras.prime(notes[:25])
    others, heads = 0, []
    for at in range(25, 25 + COUNT):
        note = notes[at : at + 1]
        heads.append((logits(numpy, ours, note), logits_of_keras(keras, theirs, note)))
        if at % DRAWN == 0:
            draws, taste = uniforms(1, at, 0, 1), TASTES[at // DRAWN % len(TASTES)]
            others += not is_same(numpy.draw(ours, draws, taste), keras.draw(theirs, draws, taste))
        ours, theirs = numpy.advance(ours, note), keras.advance(theirs, note)
    ours, theirs = (
        {head: np.concatenate([each[head] for each in which]) for head in which[0]}
        for which in zip(*heads, strict=True)
    )
    assert_alike(ours, theirs, tolerance)
    # Another note is drawn only if one of four uniform numbers falls between two bounds that differ by rounding: by
    # the tolerance, on either side. On the CPU, 500 notes x 4 numbers x 2 sides x 1e-5 are 0.04 notes.
    assert others <= 1 + COUNT / DRAWN * 4 * 2 * tolerance


def is_same(ours, theirs):
    """Whether it is the same note; times lie within their bin, and so are known to rounding only."""
    same = np.array_equal(ours[:, PITCH], theirs[:, PITCH])
    same &= np.array_equal(ours[:, VELOCITY], theirs[:, VELOCITY], equal_nan=True)
    return same and np.allclose(ours[:, [STEP, DURATION]], theirs[:, [STEP, DURATION]], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("count", [1, 2, 7, 24, 25, 60])
def test_a_window_of_any_length_is_heard_alike(name, count, notes, tolerance, engines):
    numpy, keras = engines(name)
    ours, theirs = numpy.prime(notes[:count]), keras.prime(notes[:count])
    coming = notes[count : count + 1]
    assert_alike(logits(numpy, ours, coming), logits_of_keras(keras, theirs, coming), tolerance)
    assert np.array_equal(ours.notes, theirs.notes)


@pytest.mark.parametrize("name", NETWORKS)
def test_four_candidates_at_once_draw_what_numpy_draws(name, notes, tolerance, engines):
    numpy, keras = engines(name)
    ours, theirs = numpy.prime(notes[:10], batch=4), keras.prime(notes[:10], batch=4)
    for at in range(40):
        draws, taste = uniforms(2, at, 0, 4), TASTES[at % len(TASTES)]
        drawn = numpy.draw(ours, draws, taste)
        assert is_same(drawn, keras.draw(theirs, draws, taste))
        ours, theirs = numpy.advance(ours, drawn), keras.advance(theirs, drawn)
        assert_alike(logits(numpy, ours, drawn), logits_of_keras(keras, theirs, drawn), tolerance)


@pytest.fixture(scope="module")
def engines():
    """Return a function that returns a network's two engines, as they play."""
    made = {}

    def pair(name):
        if name not in made:
            weights = weights_of(name)
            made[name] = engine_of(weights), import_module("improv.engine.engines").keras_engine_of(weights)
        return made[name]

    return pair


def test_a_style_is_told_to_both(notes, tolerance):
    weights = load(find("lstm"))
    style = weights.card.styles[0]
    numpy = engine_of(weights, style)
    keras = import_module("improv.engine.engines").keras_engine_of(weights, style)
    coming = notes[25:26]
    told = logits(numpy, numpy.prime(notes[:25]), coming)
    assert_alike(told, logits_of_keras(keras, keras.prime(notes[:25]), coming), tolerance)
    other = engine_of(weights)
    assert not np.allclose(told["pitch"], logits(other, other.prime(notes[:25]), coming)["pitch"], atol=1e-3)


def test_an_engine_compiles_once(engines, notes):
    _, keras = engines("lstm")
    keras.draw(keras.prime(notes[:25]), uniforms(1, 1, 0, 1), Taste())
    before = keras._drawn.experimental_get_tracing_count(), keras._primed.experimental_get_tracing_count()
    for count in (1, 5, 25):
        taste = Taste(0.9, 0.7, 30, 90, count / 10, tuple(value / count for value in BIAS), density=1 + count / 10)
        keras.draw(keras.prime(notes[:count]), uniforms(1, count, 0, 1), taste)
    after = keras._drawn.experimental_get_tracing_count(), keras._primed.experimental_get_tracing_count()
    assert after == before
