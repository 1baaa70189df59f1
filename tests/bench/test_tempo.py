from random import Random

import mido
import numpy as np
import pytest

from improv.bench import tempo
from improv.errors import CorpusError

TICKS = 480


def write(path, onsets, bpms, start=0):
    """A MIDI file of single notes (ticks after `start`), with a tempo map: (tick, beats a minute)."""
    events = [(at, mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(bpm))) for at, bpm in bpms]
    for at in onsets:
        events += [(start + at, mido.Message("note_on", note=60)), (start + at + 60, mido.Message("note_off", note=60))]
    track, last = mido.MidiTrack(), 0
    for at, message in sorted(events, key=lambda event: event[0]):
        track.append(message.copy(time=at - last))
        last = at
    mido.MidiFile(tracks=[track], ticks_per_beat=TICKS).save(path)


def march(beats):
    """A beat, and every other time its half."""
    return [TICKS * at // 2 for at in range(2 * beats) if at % 4 != 1]


def test_true_beats_follow_the_tempo_map_from_the_first_note(tmp_path):
    path = tmp_path / "two tempi.mid"
    # The notes lie 30 ticks behind the map's own beats.
    write(path, march(16), [(0, 120), (8 * TICKS + 30, 60)], start=30)
    beats = tempo.true_beats(path)
    assert beats is not None
    first = int(np.abs(beats).argmin())
    assert beats[first : first + 11] == pytest.approx([0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4, 5, 6], abs=1e-3)


def test_a_tempo_map_that_the_notes_do_not_keep_to_is_not_true(tmp_path):
    random = Random(1)
    write(tmp_path / "free.mid", sorted(random.randrange(40 * TICKS) for _ in range(200)), [(0, 120)])
    assert tempo.true_beats(tmp_path / "free.mid") is None


def test_a_march_has_a_beat_and_free_playing_has_none(tmp_path):
    random = Random(2)
    write(tmp_path / "march.mid", march(64), [(0, 104)])
    said = []
    time, on, true, cost = tempo.measure(tmp_path, 5, said.append)
    assert said == ["tempo: 1 of 1"]
    assert time.values["all"] > 90
    assert on.values["share"] == 100
    assert on.values["chance"] < 50
    assert (true.values["beats"], true.values["tempo"]) == (100, 100)
    assert true.note.startswith("1 performance")
    assert 0 < cost.values["mean"] < 10

    (tmp_path / "march.mid").unlink()
    write(tmp_path / "free.mid", np.cumsum([60 + int(random.expovariate(1 / 400)) for _ in range(200)]).tolist(), [])
    time, _, true, _ = tempo.measure(tmp_path, 5, said.append)
    assert time.values["all"] < 10
    assert true.values == {}


def test_a_folder_without_music_is_refused(tmp_path):
    with pytest.raises(CorpusError, match="no MIDI files there"):
        tempo.measure(tmp_path, 3, print)
    (tmp_path / "broken.mid").write_bytes(b"MThd")
    with pytest.raises(CorpusError, match="can be read"):
        tempo.measure(tmp_path, 3, print)
