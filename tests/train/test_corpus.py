import mido
import numpy as np
import pytest

from improv.errors import CorpusError
from improv.train.corpus import TRAIN, VALIDATION, read, read_notes


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


@pytest.mark.parametrize("name", ["nowhere", "hollow"])
def test_a_folder_without_midi_is_refused(tmp_path, cache, name):
    (tmp_path / "hollow").mkdir()
    with pytest.raises(CorpusError, match="no MIDI files"):
        read(tmp_path / name, cache)


def test_a_folder_without_notes_is_refused_with_the_reasons(tmp_path, cache, write_midi):
    write_midi(tmp_path / "silent" / "a.mid", [])
    with pytest.raises(CorpusError, match=r"no notes in any of 1 files \(1 empty\)"):
        read(tmp_path / "silent", cache)


def test_an_index_without_its_columns_is_refused(corpus_folder, cache):
    (corpus_folder / "index.csv").write_text("file,split\na.mid,train")
    with pytest.raises(CorpusError, match=r"index\.csv: no column 'path'"):
        read(corpus_folder, cache)
