import os
import signal

import psutil
import pytest

from improv.errors import CorpusError
from improv.train import readers
from improv.train.readers import Process, read_all, read_with, started
from improv.train.sources import File


@pytest.fixture
def file(tmp_path, write_midi):
    return File("a.mid", write_midi(tmp_path / "a.mid", [60, 62]).read_bytes())


def test_a_file_that_brings_its_reader_down_is_one_broken_file(file):
    with Process() as process:
        assert len(process.read(file)[0]) == 2
        os.kill(process._process.pid, signal.SIGKILL)
        assert process.read(file) == (None, readers._FATAL)
        assert len(process.read(file)[0]) == 2


def test_a_file_that_keeps_its_reader_for_too_long_is_one_broken_file(file, monkeypatch):
    with Process() as process:
        assert len(process.read(file)[0]) == 2
        os.kill(process._process.pid, signal.SIGSTOP)
        monkeypatch.setattr(readers, "PATIENCE_S", 0.1)
        assert process.read(file) == (None, readers._FATAL)
        monkeypatch.undo()
        assert len(process.read(file)[0]) == 2


def test_everything_is_told_of_every_file(file):
    files = [file, File("b.mid", b"MThd"), File("c.mid", reason="absurd: 33 MB"), File("d\udcff.mid", file.data)]
    found = {reading.name: reading for reading in read_all(iter(files))}
    assert [found[each.name].reason.partition(":")[0] for each in files] == ["", "broken", "absurd", ""]
    assert found["a.mid"].hash == found["d\udcff.mid"].hash != found["b.mid"].hash
    assert found["a.mid"].notes.tolist() == found["d\udcff.mid"].notes.tolist()


def test_an_error_in_the_source_ends_all_readers(file):
    def files():
        for _ in range(5):
            yield file
        raise CorpusError("the archive is damaged")

    with started(2) as processes, pytest.raises(CorpusError, match="damaged"):
        read_with(processes, files())
    assert not psutil.Process().children()


def test_readers_that_do_not_start_are_told(file, monkeypatch):
    monkeypatch.setenv("PYTHONHOME", "/nowhere")
    with pytest.raises(CorpusError, match="does not start"):
        read_all(iter([file]))


def test_a_missing_library_is_named(file, monkeypatch):
    monkeypatch.setattr(readers, "find_spec", lambda _: None)
    with pytest.raises(ImportError) as missing:
        read_all(iter([file]))
    assert missing.value.name == "symusic"
