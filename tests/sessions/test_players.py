"""What is kept of a player between sessions."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from improv.errors import PlayerError
from improv.predict.engine import ModelInfo
from improv.predict.grid import TIMES
from improv.predict.memory import LIMIT, Memory
from improv.sessions.players import file_of, load, open_memory, save

MODEL = ModelInfo("lstm", "lstm", 25, "a" * 64, carries=True, has_velocity=True)
OTHER = replace(MODEL, name="jazz", hash="b" * 64)
notes = st.tuples(st.integers(0, 127), st.floats(0, 100, width=32))
phrases = st.lists(st.lists(notes, min_size=1, max_size=9), max_size=6)


def memory_of(music):
    memory, flat = Memory(), np.zeros(128, np.float32)
    for phrase in music:
        memory.begin_phrase()
        for pitch, step in phrase:
            memory.heard(pitch, step, flat[:TIMES], flat)
    return memory


def same(one, other):
    return all(
        np.array_equal(getattr(one.kept(), name), getattr(other.kept(), name))
        for name in ("pitches", "steps", "starts", "trust")
    )


MUSIC = [[(60, 0.5), (62, 0.5), (64, 0.25)] * 4, [(60, 3.0), (62, 0.5), (64, 0.25)]]


@given(phrases)
@settings(max_examples=40, deadline=None)
def test_what_is_kept_comes_back(tmp_path_factory, music):
    path = tmp_path_factory.mktemp("players") / "Ada.memory"
    memory = memory_of(music)
    save(path, memory, MODEL)
    assert same(load(path, MODEL), memory)
    assert [each.name for each in path.parent.iterdir()] == ["Ada.memory"]


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_a_damaged_file_is_refused_or_the_same(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("players") / "Ada.memory"
    memory = memory_of(MUSIC)
    save(path, memory, MODEL)
    whole = path.read_bytes()
    if data.draw(st.booleans()):
        path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    else:
        at = data.draw(st.integers(0, len(whole) - 1))
        path.write_bytes(whole[:at] + bytes([whole[at] ^ data.draw(st.integers(1, 255))]) + whole[at + 1 :])
    try:
        found = load(path, MODEL)
    except PlayerError as error:
        assert str(path) in str(error)
    else:
        assert same(found, memory)


@given(st.binary(max_size=300))
@settings(max_examples=60, deadline=None)
def test_what_is_no_memory_is_put_aside_not_lost(tmp_path_factory, junk):
    path = tmp_path_factory.mktemp("players") / "Ada.memory"
    path.write_bytes(junk)
    memory, word = open_memory(path, MODEL)
    assert len(memory) == 0
    assert "damaged" in word
    (aside,) = path.parent.iterdir()
    assert aside.read_bytes() == junk
    assert aside.name == "Ada.memory.damaged1"


def test_a_second_damaged_file_does_not_take_the_first_ones_place(tmp_path):
    path = tmp_path / "Ada.memory"
    for junk in (b"one", b"two"):
        path.write_bytes(junk)
        open_memory(path, MODEL)
    assert sorted(each.read_bytes() for each in tmp_path.iterdir()) == [b"one", b"two"]


def test_a_player_who_is_not_known_begins_with_nothing(tmp_path):
    memory, word = open_memory(tmp_path / "Ada.memory", MODEL)
    assert (len(memory), word) == (0, "")
    with pytest.raises(PlayerError, match="cannot be read"):
        load(tmp_path / "Ada.memory", MODEL)


def test_for_another_model_the_notes_stay_and_trust_begins_anew(tmp_path):
    path = tmp_path / "Ada.memory"
    save(path, memory_of(MUSIC), MODEL)
    memory, word = open_memory(path, OTHER)
    assert word == ""
    assert memory.kept().pitches.tolist() == memory_of(MUSIC).kept().pitches.tolist()
    assert np.array_equal(memory.kept().trust, np.tile(Memory().kept().trust, (3, 1, 1)))
    assert load(path, MODEL).kept().trust[-1] != pytest.approx(memory.kept().trust[-1])


def test_a_folder_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "players").write_text("")
    with pytest.raises(PlayerError, match="cannot be written"):
        save(tmp_path / "players" / "Ada.memory", memory_of(MUSIC), MODEL)


def test_a_folder_in_the_files_place_is_not_put_aside(tmp_path):
    (tmp_path / "Ada.memory").mkdir()
    with pytest.raises(PlayerError, match="cannot be read"):
        open_memory(tmp_path / "Ada.memory", MODEL)
    assert (tmp_path / "Ada.memory").is_dir()


def test_a_full_memory_is_a_small_file_soon_read(tmp_path):
    path = tmp_path / "Ada.memory"
    memory = memory_of([[(60 + at % 12, 0.25) for at in range(10)]] * 20)
    whole = memory.kept()
    many = LIMIT // len(whole.pitches)
    kept = replace(
        whole,
        pitches=np.tile(whole.pitches, many),
        steps=np.tile(whole.steps, many),
        starts=np.concatenate([whole.starts + at * len(whole.pitches) for at in range(many)]),
        trust=np.concatenate([whole.trust[:1], *[whole.trust[1:]] * many]),
    )
    save(path, Memory.of(kept), MODEL)
    assert path.stat().st_size < 400_000
    assert len(load(path, MODEL)) == LIMIT


@pytest.mark.parametrize("name", ["Ada", "Ada Lovelace", "o'Brien", "Zoë", "J.S. Bach", "player_1", "x" * 64])
def test_names(tmp_path, name):
    assert file_of(tmp_path, name) == tmp_path / f"{name}.memory"


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../Ada",
        "a/b",
        "a\\b",
        "/Ada",
        "C:Ada",
        ".hidden",
        "Ada.",
        "Ada ",
        "Ada\n",
        "a\x00b",
        "con",
        "NUL.x",
        "x" * 65,
    ],
)
def test_what_is_no_name_is_refused(tmp_path, name):
    with pytest.raises(PlayerError, match="no name"):
        file_of(tmp_path, name)


@given(st.text(max_size=70))
@settings(max_examples=200)
def test_no_name_leads_out_of_the_folder(tmp_path_factory, name):
    folder = tmp_path_factory.getbasetemp()
    try:
        path = file_of(folder, name)
    except PlayerError:
        return
    assert path.parent == folder
    assert path.resolve().parent == folder.resolve()
