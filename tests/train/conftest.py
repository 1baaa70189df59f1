import mido
import pytest


def write(path, pitches, *, step=0.25, duration=0.2, channel=0, tempo=500_000):
    """Write a MIDI file of `pitches` one after the other (seconds), on a channel of its own."""
    file = mido.MidiFile(ticks_per_beat=480)
    ticks = 480 / (tempo / 1e6)
    track = mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=tempo)])
    for index, pitch in enumerate(pitches):
        rest = round((step - duration) * ticks) if index else 0
        track.append(mido.Message("note_on", note=pitch, velocity=80, channel=channel, time=rest))
        track.append(mido.Message("note_off", note=pitch, channel=channel, time=round(duration * ticks)))
    file.tracks.append(track)
    path.parent.mkdir(parents=True, exist_ok=True)
    file.save(path)
    return path


@pytest.fixture
def write_midi():
    return write


def write_corpus(parent):
    """Three files of 60 notes, two to train on and one held out, under the MIT licence."""
    folder = parent / "small"
    rows = ["path,split"]
    for index, split in enumerate(("train", "train", "validation")):
        write(folder / "midi" / f"{index}.mid", [48 + (index + 5 * at) % 24 for at in range(60)])
        rows.append(f"midi/{index}.mid,{split}")
    (folder / "index.csv").write_text("\n".join(rows))
    (folder / "LICENSE").write_text("MIT License\n\nCopyright somebody\n")
    return folder


@pytest.fixture(scope="session")
def corpus_in():
    return write_corpus


@pytest.fixture
def corpus_folder(tmp_path):
    return write_corpus(tmp_path)
