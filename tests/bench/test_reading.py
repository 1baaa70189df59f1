import mido
import pytest

from improv.bench import reading
from improv.bench.figures import Verdict
from improv.errors import CorpusError


def write(path, count):
    track = mido.MidiTrack()
    for at in range(count):
        track += [mido.Message("note_on", note=40 + at % 40), mido.Message("note_off", note=40 + at % 40, time=60)]
    mido.MidiFile(tracks=[track]).save(path)


def test_both_read_the_same_files_and_ours_reads_all(tmp_path):
    for at in range(7):
        write(tmp_path / f"{at}.mid", 300)
    (tmp_path / "broken.mid").write_bytes(b"MThd")
    said = []
    race, speed = reading.measure(tmp_path, 4, said.append)
    assert said[-1] == "reading: round 3 of 3"
    assert race.note.startswith("4 files, with our processes running; all 7,")
    assert race.values["same files"] > 1
    assert set(speed.values) == {"pretty_midi", "same files", "all"}


def test_the_rows_compare_seconds_on_the_same_files_and_all():
    rounds = [reading.Round(10.0, 0.125, 2.5), reading.Round(10.0, 0.125, 1.5)]
    race, speed = reading.rows(rounds, 20, 200, 0.1)
    # All is ten times some: 200 seconds for pretty_midi, 2 for us.
    assert race.values == {"same files": 80.0, "all": 100.0}
    assert race.verdict is Verdict.MET
    assert speed.values == {"pretty_midi": 1.0, "same files": 80.0, "all": 100.0}
    assert reading.rows([reading.Round(1.0, 0.1, 0.01)], 20, 200, 0.1)[0].verdict is Verdict.MISSED


def test_a_folder_without_music_is_no_race(tmp_path):
    (tmp_path / "broken.mid").write_bytes(b"MThd")
    with pytest.raises(CorpusError, match="no MIDI files there"):
        reading.measure(tmp_path, 4, lambda _: None)
