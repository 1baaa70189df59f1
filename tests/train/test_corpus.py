import hashlib
import tarfile
import zipfile

import mido
import numpy as np
import pytest

from improv.errors import CorpusError
from improv.sessions.export import export
from improv.train.corpus import TRAIN, VALIDATION, read
from improv.train.midi import read_notes
from improv.train.readers import _FILES_A_PROCESS
from tests.sessions.music import human, machine, session, write


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


def test_an_index_says_which_files_count_and_where_they_belong(corpus_folder, cache):
    corpus = read(corpus_folder, cache)
    assert (corpus.name, corpus.licence, corpus.skipped) == ("small", "MIT", {})
    assert [len(notes) for notes in corpus.files(TRAIN)] == [60, 60]
    assert [len(notes) for notes in corpus.files(VALIDATION)] == [60]
    assert str(corpus) == "small, licence MIT: 2 files to train on (0.0 hours), 1 held out, skipped: none"


def test_notes_have_pitch_step_duration_velocity_in_seconds(tmp_path, write_midi):
    notes = read_notes(write_midi(tmp_path / "a.mid", [60, 64, 67], step=0.5, duration=0.25, tempo=600_000))
    expected = [[60, 0, 0.25, 80], [64, 0.5, 0.25, 80], [67, 0.5, 0.25, 80]]
    assert notes == pytest.approx(np.array(expected), abs=2e-3)


def test_a_tempo_change_in_mid_piece_changes_the_seconds(tmp_path):
    track = mido.MidiTrack()
    for tempo, pitch in ((500_000, 60), (1_000_000, 62)):
        track.append(mido.MetaMessage("set_tempo", tempo=tempo))
        track.append(mido.Message("note_on", note=pitch, velocity=64))
        track.append(mido.Message("note_off", note=pitch, time=480))
    mido.MidiFile(tracks=[track], ticks_per_beat=480).save(tmp_path / "a.mid")
    assert read_notes(tmp_path / "a.mid")[:, 1:3].tolist() == [[0, 0.5], [0.5, 1]]


def test_tracks_are_merged_and_drums_left_out(tmp_path):
    tracks = []
    for channel, pitch in ((0, 72), (1, 48), (9, 36)):
        on = mido.Message("note_on", note=pitch, velocity=64, channel=channel)
        tracks.append(mido.MidiTrack([on, mido.Message("note_off", note=pitch, channel=channel, time=480)]))
    mido.MidiFile(tracks=tracks, type=1).save(tmp_path / "a.mid")
    # A chord reads from below.
    assert read_notes(tmp_path / "a.mid")[:, 0].tolist() == [48, 72]


def test_broken_empty_and_missing_files_are_skipped_and_counted(corpus_folder, cache, write_midi):
    (corpus_folder / "midi" / "broken.mid").write_bytes(b"MThd nonsense")
    write_midi(corpus_folder / "midi" / "empty.mid", [])
    write_midi(corpus_folder / "midi" / "drums.mid", [36], channel=9)
    with (corpus_folder / "index.csv").open("a") as index:
        index.writelines(f"\nmidi/{name}.mid,train" for name in ("broken", "empty", "drums", "nowhere"))
    corpus = read(corpus_folder, cache)
    assert corpus.skipped == {"broken": 1, "empty": 2, "missing": 1}
    assert len(corpus.splits) == 3
    assert str(corpus).endswith("skipped: 1 broken, 2 empty, 1 missing")


def test_without_an_index_files_are_split_by_their_content(tmp_path, cache, write_midi):
    for at in range(40):
        write_midi(tmp_path / "a" / f"{at}.mid", [at + 30] * 3)
        write_midi(tmp_path / "b" / f"{40 - at}.MIDI", [at + 30] * 3)
    splits = []
    for name in ("a", "b"):
        corpus = read(tmp_path / name, cache)
        splits.append({notes[0, 0]: split for split in (TRAIN, VALIDATION) for notes in corpus.files(split)})
        assert corpus.licence == "unknown"
    assert splits[0] == splits[1]
    assert 1 <= list(splits[0].values()).count(VALIDATION) <= 12


def test_a_second_reading_comes_from_the_cache_and_a_change_is_noticed(corpus_folder, cache, write_midi):
    first = read(corpus_folder, cache)
    (stored,) = cache.iterdir()
    written = stored.stat().st_mtime_ns
    again = read(corpus_folder, cache)
    assert stored.stat().st_mtime_ns == written
    assert (again.name, again.licence, again.splits, again.skipped) == ("small", "MIT", first.splits, {})
    assert np.array_equal(again.notes, first.notes)
    assert np.array_equal(again.bounds, first.bounds)
    write_midi(corpus_folder / "midi" / "0.mid", [60] * 10)
    assert len(read(corpus_folder, cache).notes) == 130


def test_a_damaged_cache_is_made_again(corpus_folder, cache):
    first = read(corpus_folder, cache)
    (stored,) = cache.iterdir()
    stored.write_bytes(stored.read_bytes()[:-50])
    assert np.array_equal(read(corpus_folder, cache).notes, first.notes)


def test_a_cache_that_cannot_be_written_is_done_without(corpus_folder, tmp_path):
    (tmp_path / "blocked").write_text("a file")
    assert len(read(corpus_folder, tmp_path / "blocked" / "cache").notes) == 180


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("nowhere", "no such file or folder"),
        ("hollow", "no MIDI files there"),
        ("text.mid", r"a corpus is a folder, or an archive of MIDI files \(\.zip, \.tar"),
        ("half.zip", "the archive is damaged, or was not loaded whole"),
    ],
)
def test_what_is_no_corpus_is_refused(tmp_path, cache, name, why):
    (tmp_path / "hollow").mkdir()
    for file in ("text.mid", "half.zip"):
        (tmp_path / file).write_text("MThd, or so")
    with pytest.raises(CorpusError, match=f"{name}: {why}"):
        read(tmp_path / name, cache)


def test_a_folder_without_notes_is_refused_with_the_reasons(tmp_path, cache, write_midi):
    write_midi(tmp_path / "silent" / "a.mid", [])
    with pytest.raises(CorpusError, match=r"no notes in any of 1 files \(1 empty\)"):
        read(tmp_path / "silent", cache)


def test_an_index_without_its_columns_is_refused(corpus_folder, cache):
    (corpus_folder / "index.csv").write_text("file,split\na.mid,train")
    with pytest.raises(CorpusError, match=r"small: index\.csv: no column 'path'"):
        read(corpus_folder, cache)


def test_what_is_left_out_is_named_with_its_reason(corpus_folder, cache, write_midi):
    write_midi(corpus_folder / "midi" / "long.mid", [60, 61], step=11 * 3600, duration=1)
    with (corpus_folder / "index.csv").open("a") as index:
        index.writelines(f"\nmidi/{name}.mid,train" for name in ("long", "nowhere"))
    corpus = read(corpus_folder, cache)
    assert corpus.left_out == (("midi/long.mid", "absurd: 11.0 hours long"), ("midi/nowhere.mid", "missing"))
    assert corpus.skipped == {"absurd": 1, "missing": 1}
    assert corpus.names == ("midi/0.mid", "midi/1.mid", "midi/2.mid")
    assert len(set(corpus.hashes)) == 3


def test_a_test_split_is_kept_back_unless_asked_for(corpus_folder, cache):
    index = corpus_folder / "index.csv"
    index.write_text(index.read_text().replace("1.mid,train", "1.mid,test"))
    corpus = read(corpus_folder, cache)
    assert (len(corpus.notes), corpus.splits, corpus.files("test")) == (120, (TRAIN, VALIDATION), [])
    assert corpus.bounds.tolist() == [0, 60, 120]
    assert "1 held out, kept back: 1 test, skipped" in str(corpus)
    test = read(corpus_folder, cache, splits=("test",))
    assert (test.names, test.kept_back) == (("midi/1.mid",), {TRAIN: 1, VALIDATION: 1})
    assert np.array_equal(test.files("test")[0], read_notes(corpus_folder / "midi" / "1.mid"))
    with pytest.raises(CorpusError, match=r"no notes in any of 3 files \(1 test, 1 train, 1 validation\)"):
        read(corpus_folder, cache, splits=("more",))


def test_a_few_files_are_all_trained_on_where_the_hash_would_leave_none(tmp_path, cache, write_midi):
    for pitch in range(30, 90):
        file = write_midi(tmp_path / "one" / "a.mid", [pitch] * 3)
        if int(hashlib.sha256(file.read_bytes()).hexdigest()[:8], 16) / 2**32 < 0.1:
            break
    assert read(tmp_path / "one", cache).splits == (TRAIN,)


def pack_as(kind, folder, file):
    """Pack `folder` into an archive, with one folder at its top."""
    if kind == "zip":
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(folder.rglob("*")):
                archive.write(path, f"top/{path.relative_to(folder)}")
    else:
        with tarfile.open(file, f"w:{kind}") as archive:
            archive.add(folder, "./top")
    return file


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.zip", "zip"), ("a.tar", ""), ("a.tar.gz", "gz"), ("a.tgz", "gz"), ("a.tar.xz", "xz"), ("a.tar.bz2", "bz2")],
)
def test_an_archive_reads_like_the_folder_it_was_made_of(corpus_folder, tmp_path, cache, name, kind):
    (corpus_folder / "midi" / "not-listed.mid").write_bytes((corpus_folder / "midi" / "0.mid").read_bytes())
    file = pack_as(kind, corpus_folder, tmp_path / name)
    before = sorted(tmp_path.rglob("*"))
    corpus = read(file, cache)
    assert (corpus.name, corpus.licence, corpus.splits, corpus.skipped) == ("a", "MIT", (TRAIN, TRAIN, VALIDATION), {})
    assert np.array_equal(corpus.notes, read(corpus_folder, cache).notes)
    assert corpus.names == ("top/midi/0.mid", "top/midi/1.mid", "top/midi/2.mid")
    # Nothing was unpacked.
    assert sorted(path for path in tmp_path.rglob("*") if cache not in (path, path.parent)) == before


def test_an_archive_that_changes_is_read_again_and_its_old_cache_goes(corpus_folder, tmp_path, cache, write_midi):
    file = pack_as("zip", corpus_folder, tmp_path / "a.zip")
    assert len(read(file, cache).notes) == 180
    write_midi(corpus_folder / "midi" / "0.mid", [60] * 10)
    pack_as("zip", corpus_folder, file)
    assert len(read(file, cache).notes) == 130
    assert len(list(cache.iterdir())) == 1


def test_sessions_count_once_and_their_exports_alone_count_too(tmp_path, cache):
    folder = tmp_path / "sessions"
    folder.mkdir()
    music = session(human(1, 60, 0.5), machine(1, 2, 72, 0.5), human(3, 62, 0.5))
    for name in ("both", "journal", "export", "alone"):
        journal = write(folder / f"{name}.jsonl", music)
        if name == "alone":
            write(journal, session(machine(1, 2, 72, 0.5)))
        if name != "journal":
            export(journal, folder / f"{name}.mid")
        if name == "export":
            journal.unlink()
    (folder / "other.jsonl").write_text('{"no": "journal"}\n')
    (folder / "other.mid").write_bytes((folder / "both.mid").read_bytes())
    corpus = read(folder, cache)
    assert corpus.names == ("both.jsonl", "export.mid", "journal.jsonl", "other.mid")
    assert corpus.left_out == (("alone.jsonl", "empty: nobody but improv played"),)
    assert corpus.notes[:, 0].tolist() == [60, 62] * 4


def test_a_crowd_of_files_is_read_by_several_processes_in_the_order_of_their_names(tmp_path, cache, write_midi):
    for at in range(_FILES_A_PROCESS + 20):
        write_midi(tmp_path / "many" / f"{at:03}.mid", [at % 128])
    corpus = read(tmp_path / "many", cache)
    assert list(corpus.notes[:, 0]) == [at % 128 for at in range(_FILES_A_PROCESS + 20)]
    assert corpus.names == tuple(f"{at:03}.mid" for at in range(_FILES_A_PROCESS + 20))
