from improv.events import NoteOff, NoteOn, encode
from improv.ports.memory import Memory


def test_a_successor_finds_what_was_there(tmp_path):
    before = Memory(tmp_path / "memory")
    assert (before.seq, before.connections, before.ledger.owed()) == (0, {}, [])
    before.seq = 2**40
    before.connections = {"improv in:midi": ["Clavier é:out"], "improv out:midi": []}
    before.ledger.leaving(encode(NoteOn(127, 1, 15)))
    after = Memory(tmp_path / "memory")
    assert after.seq == 2**40
    assert after.connections == {"improv in:midi": ["Clavier é:out"], "improv out:midi": []}
    assert after.ledger.owed() == [encode(NoteOff(127, 15))]


def test_connections_change_as_a_whole(tmp_path):
    memory = Memory(tmp_path / "memory")
    for peers in (["a"], ["a", "b"], [], ["x" * 2000]):
        memory.connections = {"improv in:midi": peers}
        assert Memory(tmp_path / "memory").connections == {"improv in:midi": peers}
    memory.connections = {"improv in:midi": ["x" * 20_000]}  # too many to remember
    assert memory.connections == {"improv in:midi": ["x" * 2000]}


def test_a_file_that_is_not_ours_is_made_anew(tmp_path):
    for content in (b"", b"something else", b"improv 1 but short"):
        (tmp_path / "memory").write_bytes(content)
        assert Memory(tmp_path / "memory").seq == 0
