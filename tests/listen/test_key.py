import pytest
from hypothesis import given
from hypothesis import strategies as st

from improv.listen.key import KEYS, RECENT_S, STRICTEST, Key, KeyListener, key_bias
from improv.listen.tracker import Onset, Release

keys = st.sampled_from(KEYS)
SCALES = {"major": (0, 2, 4, 5, 7, 9, 11, 12), "minor": (0, 2, 3, 5, 7, 8, 11, 12)}
# Degrees I, IV, V and I again, with the seventh in V; in minor with the leading note.
CADENCES = {
    "major": ((0, 4, 7), (5, 9, 12), (7, 11, 14, 17), (0, 4, 7)),
    "minor": ((0, 3, 7), (5, 8, 12), (7, 11, 14, 17), (0, 3, 7)),
}


def scale(key):
    """Up and down again."""
    up = [48 + key.tonic + degree for degree in SCALES[key.mode]]
    return up + up[-2::-1]


def cadence(key):
    return [48 + key.tonic + degree for chord in CADENCES[key.mode] for degree in chord]


def listen(*passages, listener=None, start=0.0, step=0.25):
    listener = listener or KeyListener()
    for place, pitch in enumerate(pitch for passage in passages for pitch in passage):
        listener.feed(Onset(place, start + place * step, pitch, 80))
    return listener


@given(keys)
def test_a_name_is_understood_again(key):
    assert Key.parse(key.name) == key
    assert str(key) == key.name


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("C", Key(0)),
        ("c", Key(0)),
        ("Am", Key(9, "minor")),
        ("AM", Key(9)),
        ("F# minor", Key(6, "minor")),
        ("f sharp minor", Key(6, "minor")),
        ("Bb", Key(10)),
        ("bb", Key(10)),
        ("B", Key(11)),
        ("Bbm", Key(10, "minor")),
        ("bm", Key(11, "minor")),
        (" E-flat Major ", Key(3)),
        ("Cb", Key(11)),
        ("B# min", Key(0, "minor")),
        ("G♯ minor", Key(8, "minor")),
        ("Dmaj", Key(2)),
    ],
)
def test_musicians_spell_keys_in_many_ways(text, key):
    assert Key.parse(text) == key


@pytest.mark.parametrize("text", ["", "H", "C dorian", "minor", "C##", "A minor 7", "auto", "7"])
def test_what_is_no_key_is_said_so(text):
    with pytest.raises(ValueError, match=f'^"{text}" is not a key: .*Bb'):
        Key.parse(text)


def test_names_are_those_on_scores():
    assert [key.name for key in KEYS[:3]] == ["C major", "Db major", "D major"]
    assert Key(10).name == "Bb major"
    assert Key(8, "minor").name == "G# minor"
    assert len({key.name for key in KEYS}) == 24


def test_a_scale_has_its_pitch_classes():
    assert Key(0).classes == {0, 2, 4, 5, 7, 9, 11}
    assert Key(9).classes == {9, 11, 1, 2, 4, 6, 8}
    # A minor: naturals, F# and G# besides.
    assert Key(9, "minor").classes == {9, 11, 0, 2, 4, 5, 7, 6, 8}


@pytest.mark.parametrize("key", KEYS, ids=str)
@pytest.mark.parametrize("music", [scale, cadence])
def test_two_scales_or_two_cadences_tell_the_key(key, music):
    listener = listen(music(key), music(key))
    assert listener.key == key
    assert listener.confidence >= 0.5


def test_a_few_notes_tell_nothing():
    listener = KeyListener()
    assert (listener.key, listener.confidence, listener.recent) == (None, 0.0, frozenset())
    assert listen([60, 64, 67]).key is None


@pytest.mark.parametrize("length", [12, 60, 600])
def test_a_chromatic_run_tells_nothing(length):
    run = [48 + place % 36 for place in range(length)]
    assert listen(run).key is None


def test_a_chromatic_run_does_not_change_the_key():
    heard = listen(scale(Key(0)), scale(Key(0)))
    before = heard.confidence
    assert listen(range(48, 84), listener=heard).key == Key(0)
    assert heard.confidence < before


@pytest.mark.parametrize("other", [Key(7), Key(9, "minor"), Key(0, "minor"), Key(6), Key(3)], ids=str)
def test_a_modulation_is_followed(other):
    listener = listen(*[scale(Key(0))] * 4, *[cadence(Key(0))] * 4)
    assert listener.key == Key(0)
    # A near key shares all its pitch classes but one or two.
    listen(*[cadence(other), scale(other)] * 4, listener=listener)
    assert listener.key == other


def test_the_key_does_not_flicker():
    """Bars that borrow: the dominant's own dominant, the minor subdominant."""
    borrowed = [62, 66, 69, 72, 67, 71, 74], [65, 68, 72, 60, 64, 67, 72]
    listener = listen(scale(Key(0)), cadence(Key(0)), scale(Key(0)))
    said = set()
    for _ in range(8):
        for passage in (*borrowed, cadence(Key(0))):
            for pitch in passage:
                listen([pitch], listener=listener)
                said.add(listener.key)
    assert said == {Key(0)}


def test_a_pause_and_a_release_say_nothing():
    passages = scale(Key(2)), cadence(Key(2))
    at_once, with_pause = listen(*passages), listen(passages[0])
    with_pause.feed(Release(3, 100.0))
    listen(passages[1], listener=with_pause, start=3600.0)
    assert (with_pause.key, with_pause.confidence) == (at_once.key, at_once.confidence)


def test_what_was_played_in_the_last_seconds_is_recent():
    listener = listen([60, 61], step=0.4)
    listen([64, 67], listener=listener, start=RECENT_S + 0.05)
    assert listener.recent == {1, 4, 7}


@given(st.lists(st.integers(0, 127), max_size=60), st.integers(1, 11))
def test_in_another_key_it_hears_the_same(pitches, up):
    here, there = listen(pitches), listen([pitch + up for pitch in pitches])
    # Where two keys are as probable, rounding decides.
    if here.key is not None and there.key is not None and here.confidence > 0.5 + 1e-6:
        assert there.key == Key((here.key.tonic + up) % 12, here.key.mode)
        assert there.confidence == pytest.approx(here.confidence)


@given(keys, st.floats(0, 1), st.frozensets(st.integers(0, 11)))
def test_the_bias_is_on_what_is_neither_in_the_key_nor_recent(key, strength, recent):
    bias = key_bias(key, strength, recent)
    if strength == 0:
        assert bias is None
        return
    inside = key.classes | recent
    assert [bias[pitch] for pitch in inside] == [0.0] * len(inside)
    assert [bias[pitch] for pitch in set(range(12)) - inside] == [-STRICTEST * strength**2] * (12 - len(inside))


def test_without_a_key_there_is_no_bias():
    assert key_bias(None, 1.0) is None
