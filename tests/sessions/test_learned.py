import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from improv.control.bindings import Binding
from improv.errors import ImprovError
from improv.sessions.learned import read_learned, write_learned

bindings = st.dictionaries(
    st.text(max_size=8), st.builds(Binding, st.integers(0, 119), st.none() | st.integers(0, 15)), max_size=5
)


@given(bindings)
def test_what_is_read_back_is_what_was_learned(tmp_path_factory, learned):
    path = tmp_path_factory.mktemp("learned") / "midi-map.json"
    write_learned(path, learned)
    assert read_learned(path) == learned
    assert [each.name for each in path.parent.iterdir()] == ["midi-map.json"]


def test_a_person_can_read_it(tmp_path):
    write_learned(tmp_path / "map.json", {"mute": Binding(74, 0)})
    assert json.loads((tmp_path / "map.json").read_text()) == {"mute": {"control": 74, "channel": 1}}


def test_nothing_was_learned_where_there_is_no_file(tmp_path):
    assert read_learned(tmp_path / "map.json") == {}


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[]",
        b"3",
        b"\xff\xfe",
        b'{"mute": 3}',
        b'{"mute": {}}',
        b'{"mute": {"control": 120}}',
        b'{"mute": {"control": true}}',
        b'{"mute": {"control": 3, "channel": 17}}',
        b'{"mute": {"control": 3, "more": 1}}',
        b"[" * 100_000,
    ],
)
def test_a_damaged_file_is_named_and_never_lost(tmp_path, text):
    path = tmp_path / "map.json"
    path.write_bytes(text)
    with pytest.raises(ImprovError, match=r"map.json: is damaged; it is left alone"):
        read_learned(path)
    assert path.read_bytes() == text
    write_learned(path, {"mute": Binding(74, 0)})
    assert read_learned(path) == {"mute": Binding(74, 0)}
    assert (tmp_path / "map.json.damaged").read_bytes() == text


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(ImprovError, match="cannot be written: No such file or directory"):
        write_learned(tmp_path / "none" / "map.json", {})
    (tmp_path / "folder" / "inside").mkdir(parents=True)
    with pytest.raises(ImprovError, match="cannot be read: Is a directory"):
        read_learned(tmp_path / "folder")
    with pytest.raises(ImprovError, match="cannot be written: "):
        write_learned(tmp_path / "folder", {})
    assert [each.name for each in tmp_path.iterdir()] == ["folder"]
