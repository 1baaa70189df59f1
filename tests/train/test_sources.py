import io
import os
import tarfile
import zipfile

import pytest

from improv.errors import CorpusError
from improv.train import sources
from improv.train.sources import LARGEST, File, source

HOSTILE = ("../up.mid", "/etc/root.mid", "a/../../b.mid", "..\\windows.mid")


def tar_of(path, members):
    with tarfile.open(path, "w:gz") as archive:
        for name, data in members:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def zip_of(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(zipfile.ZipInfo(name), data)
    return path


@pytest.fixture(params=["tar.gz", "zip"])
def archive_of(request, tmp_path):
    make = zip_of if request.param == "zip" else tar_of
    return lambda *members: make(tmp_path / f"a.{request.param}", members)


def test_only_what_is_of_use_is_taken(archive_of):
    names = ["a/b.mid", "a/index.csv", "LICENSE", "c.MIDI", "s.jsonl", "maestro-v3.0.0.json"]
    rest = ["a/b.wav", "a/._b.mid", "__MACOSX/a/b.mid", ".git/x.mid", "README.md"]
    files = list(source(archive_of(*((name, name.encode()) for name in names + rest))).files())
    assert files == [File(name, name.encode()) for name in names]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_that_leads_out_of_an_archive_is_refused(archive_of, tmp_path, name):
    files = list(source(archive_of((name, b"MThd"), ("./in.mid", b"MThd"))).files())
    assert [file.reason for file in files] == ["broken: its name leads out of the archive", ""]
    assert files[1].name == "in.mid"
    assert len(list(tmp_path.iterdir())) == 1


def test_of_two_files_with_one_name_the_first_counts(archive_of):
    files = list(source(archive_of(("a.mid", b"1"), ("./a.mid", b"2"))).files())
    assert files == [File("a.mid", b"1")]


def test_a_file_of_a_size_that_no_music_has_is_not_taken(archive_of, monkeypatch):
    monkeypatch.setattr(sources, "LARGEST", 2**20)
    (file,) = source(archive_of(("bomb.mid", bytes(2**20 + 1)))).files()
    assert (file.data, file.reason) == (b"", "absurd: 1 MB")


def test_a_zip_that_lies_about_a_size_or_is_damaged_inside_costs_one_file(tmp_path):
    path = zip_of(tmp_path / "a.zip", [("a.mid", b"a" * 1000), ("b.mid", b"b" * 1000)])
    data = bytearray(path.read_bytes())
    at = data.index(b"a.mid") + 8
    data[at : at + 3] = b"\xff\xff\xff"
    path.write_bytes(data)
    first, second = source(path).files()
    assert first.reason.startswith("broken: ")
    assert second == File("b.mid", b"b" * 1000)


def test_an_encrypted_file_costs_one_file(tmp_path):
    path = zip_of(tmp_path / "a.zip", [("a.mid", b"a"), ("b.mid", b"b")])
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    assert list(source(path).files()) == [File("a.mid", reason="broken: encrypted"), File("b.mid", b"b")]


def test_links_in_an_archive_lead_nowhere(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE):
            member = tarfile.TarInfo(f"{kind.decode()}.mid")
            member.type, member.linkname = kind, "/etc/passwd"
            archive.addfile(member)
    assert list(source(tmp_path / "a.tar").files()) == []


@pytest.mark.parametrize("kept", [0.3, 0.9])
def test_an_archive_that_was_not_loaded_whole_is_refused(tmp_path, kept):
    path = tar_of(tmp_path / "a.tar.gz", [(f"{at}.mid", os.urandom(5000)) for at in range(10)])
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * kept)])
    with pytest.raises(CorpusError, match=r"a\.tar\.gz: the archive is damaged"):
        list(source(path).files())


def test_a_folder_keeps_to_plain_files(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.mid").write_bytes(b"b")
    (tmp_path / "a.mid").write_bytes(b"a")
    (tmp_path / "folder.mid").mkdir()
    (tmp_path / "link.mid").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe.mid")
    with (tmp_path / "huge.mid").open("wb") as file:
        file.truncate(LARGEST + 2**20)
    assert list(source(tmp_path).files()) == [
        File("a.mid", b"a"),
        File("huge.mid", reason="absurd: 33 MB"),
        File("sub/b.mid", b"b"),
    ]
