"""Real files, real full disks where the system has them, and the writer's own thread."""

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from queue import Queue

import pytest

from improv.errors import SessionError
from improv.ports.link import Accepted, Heard, Plan, Refused, Sent
from improv.sessions import journal as journal_module
from improv.sessions.journal import Journal, read, reserve
from improv.sessions.records import Ended, Lost, Opening, Planned, Record, Released, Restarted, encode_record
from improv.settings import Settings

PATIENCE_S = 10.0

opening = Opening("0.1.0", "2026-01-01T00:00:00", 1.0, 3, "tutorial", "0" * 64, Settings())


def heard(seq: int) -> Heard:
    return Heard(seq, 10 + seq / 3, "keys", bytes((0x90, 60 + seq % 12, 64)))


def until(condition: Callable[[], object]) -> None:
    deadline = time.perf_counter() + PATIENCE_S
    while not condition():
        assert time.perf_counter() < deadline
        time.sleep(0.002)


def records_of(path: Path) -> list[Record]:
    return list(read(path).records)


@pytest.fixture
def troubles() -> list[str]:
    return []


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return reserve(tmp_path / "sessions")


@pytest.fixture
def open_journal(troubles: list[str]) -> Iterator[Callable[[Path | None], Journal]]:
    journals = []

    def make(path: Path | None) -> Journal:
        journals.append(Journal(path, troubles.append))
        return journals[-1]

    yield make
    for journal in journals:
        journal.close("the test is over")


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "RETRY_S", 0.01)
    monkeypatch.setattr(journal_module, "SYNC_S", 0.01)


def test_a_session_is_read_as_it_was_written(open_journal, path, troubles):
    journal = open_journal(path)
    plan = Plan(1, 2, ((11.5, bytes((0x90, 62, 70))), (12.0, bytes((0x80, 62, 64)))))
    written = [opening, heard(1), heard(2), Accepted(1, 11.2), Sent(1, 11.5, 11.5001, bytes((0x90, 62, 70)))]
    for record in written[:3]:
        journal.write(record)
    planned = Planned(1, 2, 11.5, 7, 3, plan.events, "keras")
    journal.write(planned)
    for record in written[3:]:
        journal.write(record)
    journal.write(Released(13.5))
    journal.close("Ctrl-C")
    session = read(path)
    assert planned.message == plan
    assert session.records[:-1] == (*written[:3], planned, *written[3:], Released(13.5))
    assert isinstance(session.records[-1], Ended)
    assert session.records[-1].reason == "Ctrl-C"
    assert session.require_opening() == opening
    assert (session.damaged, journal.lost, troubles) == ((), 0, [])


def test_each_record_is_on_disk_at_once(open_journal, path):
    journal = open_journal(path)
    for number in range(1, 6):
        journal.write(heard(number))
        line = encode_record(heard(number)).encode() + b"\n"
        until(lambda line=line: path.read_bytes().endswith(line))


def test_no_record_no_file(open_journal, tmp_path):
    journal = open_journal(None)
    journal.write(heard(1))
    assert journal.heard_so_far() == ([], 0)
    journal.close("done")
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_written_after_the_end(open_journal, path):
    journal = open_journal(path)
    journal.write(heard(1))
    journal.close("done")
    journal.write(heard(2))
    journal.close("again")
    assert len(records_of(path)) == 2


def test_a_new_brain_goes_on_where_the_old_one_died(open_journal, path, troubles):
    first = open_journal(path)
    for record in (opening, heard(1), Refused(3), heard(2), Accepted(2, 11.0)):
        first.write(record)
    first.close("killed")
    with path.open("ab") as file:
        file.write(encode_record(heard(3)).encode()[:-9])  # the write that it died in
    second = open_journal(path)
    assert second.heard_so_far() == ([heard(1), heard(2)], 3)
    second.write(heard(3))
    second.close("Ctrl-C")
    session = read(path)
    assert session.opening == opening
    assert [type(record) for record in session.records][-4:] == [Ended, Restarted, Heard, Ended]
    assert list(session.of(Heard)) == [heard(1), heard(2), heard(3)]
    assert session.damaged == (7,)
    assert troubles == []


def test_a_crash_within_the_last_line_is_no_damage(path):
    path.write_text(f"{encode_record(opening)}\n{encode_record(heard(1))}\n{encode_record(heard(2))[:-9]}")
    assert read(path).records == (opening, heard(1))
    assert read(path).damaged == ()


def test_damaged_lines_are_reported_and_left_out(path):
    path.write_bytes(
        b"\x00\xff\n" + encode_record(heard(1)).encode() + b"\n\n{}\r\n" + encode_record(heard(2)).encode() + b"\n"
    )
    session = read(path)
    assert session.records == (heard(1), heard(2))
    assert session.damaged == (1, 4)
    assert session.opening is None
    with pytest.raises(SessionError, match="beginning"):
        session.require_opening()


@pytest.mark.parametrize("content", [b"", b"\n\n", b"not a journal\nat all\n", b"\x00" * 4096])
def test_nothing_usable_is_a_session_error(path, content):
    path.write_bytes(content)
    with pytest.raises(SessionError, match=str(path)):
        read(path)


def test_a_missing_journal_and_a_folder_are_session_errors(tmp_path, open_journal):
    for path in (tmp_path / "none.jsonl", tmp_path):
        with pytest.raises(SessionError, match=str(path)):
            read(path)
        assert open_journal(path).heard_so_far() == ([], 0)


def test_no_two_sessions_have_one_file(tmp_path):
    when = datetime(2026, 11, 5, 9, 8, 7)  # noqa: DTZ001 - as people read it
    names = [reserve(tmp_path / "new" / "folder", when).name for _ in range(3)]
    assert names == ["2026-11-05_09-08-07.jsonl", "2026-11-05_09-08-07_2.jsonl", "2026-11-05_09-08-07_3.jsonl"]


def test_a_name_is_given_where_no_file_can_be(tmp_path, open_journal, troubles):
    (tmp_path / "taken").write_text("a file where a folder should be")
    path = reserve(tmp_path / "taken")
    assert path.parent == tmp_path / "taken"
    journal = open_journal(path)
    for number in range(100):
        journal.write(heard(number))
    journal.close("done")
    assert journal.lost == 101
    assert len(troubles) == 1
    assert str(path) in troubles[0]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
@pytest.mark.usefixtures("impatient")
def test_a_full_disk_is_told_once_and_stops_nothing(open_journal, troubles):
    journal = open_journal(Path("/dev/full"))
    for number in range(20):
        journal.write(heard(number))
        until(lambda number=number: journal.lost == number + 1)
    journal.close("done")
    assert journal.lost == 21
    assert len(troubles) == 1
    assert "No space left" in troubles[0]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    command = f"mount -t tmpfs -o size=64k none {disk} 2>/dev/null"
    if os.name != "posix" or os.system(command):  # noqa: S605 - a path of our own
        pytest.skip("only root can make a small disk")
    yield disk
    os.system(f"umount -l {disk}")  # noqa: S605


@pytest.mark.usefixtures("impatient")
def test_the_journal_goes_on_when_a_full_disk_has_room_again(small_disk, open_journal, troubles):
    path = reserve(small_disk)
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"\x00" * 60_000)
    journal = open_journal(path)
    journal.write(opening)
    number = 0
    while not journal.lost:
        number += 1
        journal.write(heard(number))
        line = encode_record(heard(number)).encode() + b"\n"
        until(lambda line=line: journal.lost or path.read_bytes().endswith(line))
    assert number < 1000
    ballast.unlink()
    for more in range(number + 1, number + 50):
        journal.write(heard(more))
        time.sleep(0.002)
    journal.close("done")
    session = read(path)
    kept = [record.seq for record in session.of(Heard)]
    assert kept == sorted(kept)
    assert {*range(1, number), number + 49} <= {*kept}
    assert sum(record.records for record in session.of(Lost)) == journal.lost == number + 49 - len(kept)
    assert session.opening == opening
    assert len(troubles) == 1


@pytest.mark.usefixtures("impatient")
def test_a_session_that_began_on_a_full_disk_has_its_opening_later(small_disk, open_journal, troubles):
    path = reserve(small_disk)
    ballast = small_disk / "ballast"
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(b"\x00" * 1000):
            pass
    journal = open_journal(path)
    journal.write(opening)
    until(lambda: troubles)
    ballast.unlink()
    time.sleep(0.02)
    journal.write(heard(1))
    journal.close("done")
    session = read(path)
    assert session.records[:3] == (opening, Lost(1), heard(1))


@pytest.mark.usefixtures("impatient")
def test_a_folder_that_vanishes_is_noticed_and_made_again(open_journal, path, troubles):
    journal = open_journal(path)
    journal.write(opening)
    until(lambda: path.stat().st_size)
    shutil.rmtree(path.parent)
    number = 0
    while not troubles:
        number += 1
        journal.write(heard(number))
        time.sleep(0.005)
    time.sleep(0.02)
    journal.write(heard(1000))
    journal.close("done")
    session = read(path)
    assert session.opening == opening
    assert session.records[-2] == heard(1000)
    assert sum(record.records for record in session.of(Lost)) == journal.lost
    assert 1 < journal.lost <= number + 1


def test_a_disk_that_hangs_holds_up_neither_the_jam_nor_its_end(open_journal, tmp_path, troubles, monkeypatch):
    if not hasattr(os, "mkfifo"):
        pytest.skip("the system has no named pipes")
    # A full pipe that nobody empties blocks its writer, like a network disk that is gone.
    path = tmp_path / "pipe.jsonl"
    os.mkfifo(path)
    end = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    with suppress(BlockingIOError):
        while os.write(end, b"\n" * 4096):
            pass
    monkeypatch.setattr(journal_module, "_WAITING", 50)
    monkeypatch.setattr(journal_module, "_CLOSE_S", 0.05)
    journal = open_journal(path)
    begin = time.perf_counter()
    until(lambda: journal.write(heard(1)) or journal.lost > 100)
    journal.close("done")
    assert time.perf_counter() - begin < PATIENCE_S
    assert len(troubles) == 1
    assert "slow" in troubles[0]
    assert b"keys" not in os.read(end, 1 << 20)
    os.set_blocking(end, True)
    assert b"keys" in os.read(end, 1 << 20)  # the writer has woken
    os.close(end)


def test_disks_are_synced_once_a_second_at_most(open_journal, path, monkeypatch):
    synced: Queue[float] = Queue()
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda descriptor: (synced.put(time.perf_counter()), real(descriptor)))
    monkeypatch.setattr(journal_module, "SYNC_S", 0.05)
    journal = open_journal(path)
    for number in range(60):
        journal.write(heard(number))
        time.sleep(0.005)
    journal.close("done")
    times = list(synced.queue)
    assert len(times) >= 2
    # The last sync, at the end, does not wait.
    assert all(after - before >= 0.049 for before, after in pairwise(times[:-1]))


def test_the_writer_is_a_daemon_and_starts_with_the_first_record(open_journal, path):
    before = threading.active_count()
    journal = open_journal(path)
    assert threading.active_count() == before
    journal.write(opening)
    assert threading.active_count() == before + 1
