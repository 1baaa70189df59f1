"""The memory of the player: it learns figures, in any key, is heeded as far as it helps, and forgets exactly."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from improv.predict.bins import EDGES_S
from improv.predict.engine import Taste
from improv.predict.engines import engine_of
from improv.predict.grid import TIMES
from improv.predict.learning import Learner
from improv.predict.memory import SCALES, Kept, Memory
from improv.predict.moments import REACH
from improv.predict.sampling import uniforms
from improv.predict.sequence_engine import SequenceEngine
from improv.predict.weights import Card, Weights, sequence_shapes, tutorial_shapes

TASTE = Taste(top_p=1.0)
FLAT_STEP, FLAT_PITCH = np.zeros(TIMES, np.float32), np.zeros(128, np.float32)
# C major up and down, long-short: a figure with a rhythm.
FIGURE = [(60, 0.4), (64, 0.2), (67, 0.4), (72, 0.2), (67, 0.4), (64, 0.2)]


def rows(figure, up=0):
    return np.array([[pitch + up, step, 0.3, 80] for pitch, step in figure], np.float32)


def hear(memory, notes, step_logits=None, pitch_logits=None):
    memory.begin_phrase()
    for note in notes:
        memory.heard(int(note[0]), float(note[1]), step_logits, pitch_logits)


def heard(*phrases, **logits):
    memory = Memory()
    for phrase in phrases:
        hear(memory, phrase, **logits)
    return memory


def shares(logits):
    wide = np.exp(logits.astype(np.float64))
    return wide / wide.sum(axis=1, keepdims=True)


def next_pitch(memory, notes, step=0.2, weight=1.0):
    """The probabilities of the next pitch, by a network that knows nothing."""
    recall = memory.recall(notes, weight=weight)
    logits = FLAT_PITCH[None]
    return shares(logits if recall is None else recall.pitch(logits, np.array([step], np.float32)))[0]


def same(one, other, notes):
    """Whether two memories say the same, bit for bit."""
    ours, theirs = one.recall(notes), other.recall(notes)
    if ours is None or theirs is None:
        return ours is theirs
    step = np.array([0.3], np.float32)
    return np.array_equal(ours.step(FLAT_STEP[None]), theirs.step(FLAT_STEP[None])) and np.array_equal(
        ours.pitch(FLAT_PITCH[None], step), theirs.pitch(FLAT_PITCH[None], step)
    )


melodies = st.lists(st.tuples(st.integers(40, 80), st.floats(0, 9, width=32)), min_size=1, max_size=24).map(rows)


@pytest.fixture(scope="module")
def engine():
    rng = np.random.default_rng(5)
    tensors = {name: rng.normal(0, 0.3, shape) for name, shape in sequence_shapes("lstm", 16, 0).items()}
    card = Card("lstm", 25, 16, carry=True)
    return SequenceEngine(
        Weights("random", card, {name: each.astype(np.float32) for name, each in tensors.items()}, "")
    )


def test_a_figure_once_heard_is_expected_again():
    before, after = next_pitch(Memory(), rows(FIGURE[:3])), next_pitch(heard(rows(FIGURE)), rows(FIGURE[:3]))
    assert before[72] == pytest.approx(1 / 128)
    assert after.argmax() == 72
    assert after[72] > 0.1


def test_the_more_often_it_was_heard_the_more_it_is_expected():
    expected = [next_pitch(heard(*[rows(FIGURE)] * times), rows(FIGURE[:3]))[72] for times in (1, 2, 4, 8)]
    assert expected == sorted(expected)
    assert expected[-1] > 0.5


def test_a_figure_is_known_in_another_key_but_less():
    memory = heard(*[rows(FIGURE)] * 3)
    moved = next_pitch(memory, rows(FIGURE[:3], up=5))
    assert moved.argmax() == 77
    assert 1 / 128 < moved[77] < next_pitch(memory, rows(FIGURE[:3]))[72]


def test_the_rhythm_is_learned_too():
    memory = heard(*[rows(FIGURE)] * 4)
    steps = shares(memory.recall(rows(FIGURE[:3])).step(FLAT_STEP[None]))[0]
    short, long = (int(np.searchsorted(_bounds(), step, "right") - 1) for step in (0.2, 0.4))
    assert steps[short] > 1.5 * steps[long]


def _bounds():
    return EDGES_S - 1e-5


def test_the_time_before_a_phrase_is_no_step_of_the_players():
    rest = rows([(60, 7.0), (64, 0.2)])
    memory = heard(*[rest] * 6)
    steps = shares(memory.recall(rows([(60, 0.2), (64, 0.2)])).step(FLAT_STEP[None]))[0]
    assert steps[TIMES - 3 :] == pytest.approx(np.full(3, steps.min()))


def test_a_pitch_that_came_after_another_step_counts_less():
    memory = heard(rows(FIGURE))
    assert next_pitch(memory, rows(FIGURE[:3]), step=0.2)[72] > next_pitch(memory, rows(FIGURE[:3]), step=2.0)[72]


def test_what_is_played_at_random_is_not_heeded_for_long():
    rng = np.random.default_rng(3)

    def noise(count):
        return np.stack([rng.integers(40, 90, count), rng.gamma(2, 0.2, count), *np.ones((2, count))], axis=1)

    right = np.full(128, -2.0, np.float32)
    memory, trusting = Memory(), Memory()
    for note in noise(400):
        # The network foresees each of these notes well, the memory none.
        logits = right.copy()
        logits[int(note[0])] = 6
        memory.heard(int(note[0]), float(note[1]), FLAT_STEP, logits)
        trusting.heard(int(note[0]), float(note[1]), None, None)
    assert memory.kept().trust[-1, 1] @ SCALES < 0.25 * SCALES.mean()
    end = memory.kept().pitches[-9:]
    prompt = rows([(int(pitch), 0.3) for pitch in end])
    harm = [abs(next_pitch(each, prompt) - 1 / 128).sum() for each in (memory, trusting)]
    assert harm[0] < harm[1] / 2


def test_what_helps_is_trusted_more():
    memory = heard(*[rows(FIGURE)] * 12, step_logits=FLAT_STEP, pitch_logits=FLAT_PITCH)
    assert memory.kept().trust[-1, 1] @ SCALES > 1.5 * SCALES.mean()


@given(melodies, melodies, melodies)
@settings(max_examples=60, deadline=None)
def test_a_forgotten_phrase_was_never_heard(first, second, prompt):
    logits = {"step_logits": FLAT_STEP, "pitch_logits": FLAT_PITCH}
    memory = heard(first, second, **logits)
    memory.forget_last()
    assert same(memory, heard(first, **logits), prompt)
    # … and what comes then is learned alike.
    hear(memory, prompt, **logits)
    assert same(memory, heard(first, prompt, **logits), prompt)


@given(melodies, melodies)
@settings(max_examples=30, deadline=None)
def test_all_forgotten_is_all_new(first, prompt):
    memory = heard(first, step_logits=FLAT_STEP, pitch_logits=FLAT_PITCH)
    memory.forget_all()
    assert memory.recall(prompt) is None
    assert len(memory) == memory.phrases == 0
    hear(memory, prompt)
    assert same(memory, heard(prompt), prompt)


def test_nothing_to_forget_is_no_fault():
    memory = heard(rows(FIGURE))
    for _ in range(3):
        memory.forget_last()
    assert len(memory) == 0


@given(st.lists(melodies, min_size=1, max_size=5), melodies, st.floats(0.01, 1), st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_shares_stay_shares(phrases, prompt, weight, seed):
    rng = np.random.default_rng(seed)
    steps, pitches = (rng.normal(0, 3, count).astype(np.float32) for count in (TIMES, 128))
    memory = heard(*phrases, step_logits=steps, pitch_logits=pitches)
    recall = memory.recall(prompt, weight=weight)
    for mixed in (recall.step(steps[None]), recall.pitch(pitches[None], prompt[-1:, 1])):
        assert np.isfinite(mixed).all()
        if recall.moments[0] is not None:
            assert np.exp(mixed.astype(np.float64)).sum() == pytest.approx(1, abs=1e-5)


def test_the_knob_goes_from_the_bare_network_to_the_memory_in_even_steps():
    memory = heard(*[rows(FIGURE)] * 2)
    none, half, whole = (next_pitch(memory, rows(FIGURE[:3]), weight=weight)[72] for weight in (0.0, 0.5, 1.0))
    assert none == pytest.approx(1 / 128)
    assert half == pytest.approx((none + whole) / 2, rel=1e-4)


@given(melodies, st.lists(st.integers(0, 30), max_size=6))
@settings(max_examples=40, deadline=None)
def test_what_is_recalled_does_not_change_by_what_is_heard_later(melody, lengths):
    memory = heard(melody)
    recall, before = memory.recall(melody), memory.recall(melody).step(FLAT_STEP[None])
    for length in lengths:
        if length < 5:
            memory.forget_last()
        elif length == 30:
            memory.forget_all()
        else:
            hear(memory, rows(FIGURE * 4)[:length])
    again = recall.after(melody[:1]).pitch(FLAT_PITCH[None], melody[:1, 1])
    assert np.array_equal(recall.step(FLAT_STEP[None]), before)
    assert np.array_equal(again, heard(melody).recall(melody).after(melody[:1]).pitch(FLAT_PITCH[None], melody[:1, 1]))


@given(st.lists(melodies, min_size=1, max_size=8), st.integers(2, 40), melodies)
@settings(max_examples=60, deadline=None)
def test_it_is_bounded_and_the_oldest_go(phrases, limit, prompt):
    memory, everything = Memory(limit), []
    for phrase in phrases:
        hear(memory, phrase)
        everything += [int(note[0]) for note in phrase]
    kept = memory.kept()
    assert len(memory) <= limit
    assert kept.pitches.tolist() == everything[len(everything) - len(memory) :]
    assert len(memory) == len(everything) or len(memory) > 0.9 * limit - 1
    # What is left can be kept, and forgotten to the end.
    assert same(Memory.of(kept, limit), memory, prompt)
    while memory.phrases:
        memory.forget_last()
    assert len(memory) == 0


@given(st.lists(melodies, max_size=5), melodies)
@settings(max_examples=40, deadline=None)
def test_what_is_kept_is_the_memory(phrases, prompt):
    logits = {"step_logits": FLAT_STEP, "pitch_logits": FLAT_PITCH}
    memory = heard(*phrases, **logits)
    again = Memory.of(memory.kept())
    assert same(memory, again, prompt)
    for each in (memory, again):
        hear(each, prompt, **logits)
        each.forget_last()
        each.forget_last()
    assert same(memory, again, prompt)


def test_what_no_memory_held_is_refused():
    good = heard(rows(FIGURE), rows(FIGURE)).kept()
    for bad in (
        {"steps": good.steps[:-1]},
        {"steps": -good.steps},
        {"pitches": good.pitches + np.uint8(100)},
        {"starts": good.starts + 1},
        {"starts": good.starts[::-1]},
        {"starts": np.array([0, 99], np.int32)},
        {"trust": good.trust[:-1]},
        {"trust": good.trust * 2},
        {"trust": good.trust * np.nan},
    ):
        with pytest.raises(ValueError, match=r"trust|phrases|notes|columns"):
            replace(good, **bad)
    assert isinstance(replace(good), Kept)


def test_an_empty_memory_and_a_weight_of_nothing_leave_the_notes_as_they_are(engine):
    state = engine.prime(rows(FIGURE), batch=3)
    draws = np.stack([uniforms(1, 2, candidate, 1)[0] for candidate in range(3)])
    bare = engine.draw(state, draws, TASTE)
    for recall in (Memory().recall(rows(FIGURE), 3), heard(rows(FIGURE)).recall(rows(FIGURE), 3, weight=0.0)):
        assert np.array_equal(engine.draw(replace(state, recall=recall), draws, TASTE), bare)


def test_an_engine_plays_what_the_player_did(engine):
    memory = heard(*[rows(FIGURE)] * 20, step_logits=FLAT_STEP, pitch_logits=FLAT_PITCH)
    bare = engine.prime(rows(FIGURE[:3]), batch=200)
    with_memory = replace(bare, recall=memory.recall(rows(FIGURE[:3]), 200))
    draws = np.stack([uniforms(1, 2, candidate, 1)[0] for candidate in range(200)])
    hits = [(engine.draw(state, draws, TASTE)[:, 0] == 72).mean() for state in (bare, with_memory)]
    assert hits[0] < 0.1
    assert hits[1] > 0.5


def test_each_candidate_goes_on_from_its_own_notes_and_none_is_learned(engine):
    memory = heard(*[rows(FIGURE)] * 4)
    before = memory.kept()
    together = replace(engine.prime(rows(FIGURE[:2]), 2), recall=memory.recall(rows(FIGURE[:2]), 2))
    draws = np.stack([uniforms(1, 2, candidate, 1)[0] for candidate in range(2)])
    own = np.concatenate([rows([(67, 0.4)]), rows([(40, 0.1)])])
    after = engine.advance(together, own)
    drawn = engine.draw(after, draws, TASTE)
    for at in range(2):
        alone = replace(engine.prime(rows(FIGURE[:2])), recall=memory.recall(rows(FIGURE[:2])))
        alone = engine.advance(alone, own[at : at + 1])
        assert engine.draw(alone, draws[at : at + 1], TASTE)[0] == pytest.approx(drawn[at], abs=1e-4)
        chosen = after.chosen(np.array([at]))
        assert engine.draw(chosen, draws[at : at + 1], TASTE)[0] == pytest.approx(drawn[at], abs=1e-4)
    now = memory.kept()
    assert np.array_equal(now.pitches, before.pitches)
    assert np.array_equal(now.trust, before.trust)


def test_a_time_already_gone_holds_with_memory_too(engine):
    memory = heard(*[rows(FIGURE)] * 4)
    state = replace(engine.prime(rows(FIGURE), 50), recall=memory.recall(rows(FIGURE), 50))
    draws = np.stack([uniforms(1, 2, candidate, 1)[0] for candidate in range(50)])
    assert (engine.draw(state, draws, TASTE.after(1.5))[:, 1] >= 1.5).all()


def test_the_learner_says_what_the_network_had_foreseen(engine):
    learner, memory = Learner(engine, Memory()), Memory()
    notes = rows(FIGURE * 3)
    learner.hear(notes[:7])
    learner.hear(notes[7:])
    state = engine.prime(notes[:1])
    hear(memory, notes[:1])
    for note in notes[1:]:
        steps, pitches = engine.foreseen(state, note[None])
        memory.heard(int(note[0]), float(note[1]), steps[0], pitches[0])
        state = engine.advance(state, note[None])
    assert same(learner.memory, memory, notes)
    assert np.array_equal(learner.memory.kept().trust, memory.kept().trust)
    assert not np.array_equal(memory.kept().trust[0], memory.kept().trust[-1])


@pytest.mark.parametrize("carry", [False, True])
def test_the_tutorials_network_takes_the_pitches_alone(carry):
    rng = np.random.default_rng(5)
    tensors = {name: rng.normal(0, 0.3, shape).astype(np.float32) for name, shape in tutorial_shapes(16).items()}
    engine = engine_of(Weights("tutorial", Card("tutorial", 25, 16, carry=carry), tensors, ""))
    learner = Learner(engine, Memory())
    learner.hear(rows(FIGURE * 8))
    bare = engine.advance(engine.prime(rows(FIGURE[:2]), 100), np.tile(rows([FIGURE[2]]), (100, 1)))
    start = replace(engine.prime(rows(FIGURE[:2]), 100), recall=learner.memory.recall(rows(FIGURE[:2]), 100))
    mixed = engine.advance(start, np.tile(rows([FIGURE[2]]), (100, 1)))
    draws = np.stack([uniforms(1, 2, candidate, 1)[0] for candidate in range(100)])
    without, with_memory = engine.draw(bare, draws, TASTE), engine.draw(mixed, draws, TASTE)
    assert np.array_equal(without[:, 1:], with_memory[:, 1:], equal_nan=True)
    assert (with_memory[:, 0] == 72).mean() > (without[:, 0] == 72).mean() + 0.2


def test_the_work_does_not_grow_with_a_figure_heard_without_end():
    memory = heard(rows([(60, 0.25)] * 3000))
    moments = memory.recall(rows([(60, 0.25)] * (REACH + 1))).moments[0]
    assert len(moments.pitches) == 64
