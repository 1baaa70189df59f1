"""The tutorial's functions on hand-made MIDI, note by note."""

import mido
import numpy as np
import pretty_midi
import pytest

from improv.errors import CorpusError, ImprovError, ModelError, UsageError
from improv.train.tutorial import (
    NOTE,
    batches,
    create_sequences,
    describe,
    generate_notes,
    load_model,
    midi_to_notes,
    note_names,
    notes_to_midi,
    predict_next_note,
)

TICK_S = 60 / 120 / 480


def on(pitch, time=0, velocity=64, channel=0):
    return mido.Message("note_on", note=pitch, velocity=velocity, channel=channel, time=time)


def off(pitch, time=0, channel=0):
    return mido.Message("note_off", note=pitch, channel=channel, time=time)


def tempo(microseconds, time=0):
    return mido.MetaMessage("set_tempo", tempo=microseconds, time=time)


@pytest.fixture
def midi(tmp_path):
    """Return a function that writes tracks (480 ticks a beat, half a second each) and returns the file."""

    def write(*tracks):
        file = mido.MidiFile(ticks_per_beat=480, tracks=[mido.MidiTrack(track) for track in tracks])
        file.save(tmp_path / "hand.mid")
        return tmp_path / "hand.mid"

    return write


def table(*rows):
    """Return notes of (pitch, start, end); steps and durations follow from them."""
    notes = np.zeros(len(rows), NOTE)
    for column, values in zip(("pitch", "start", "end"), zip(*rows, strict=True), strict=True):
        notes[column] = values
    notes["step"] = np.diff(notes["start"], prepend=notes["start"][0])
    notes["duration"] = notes["end"] - notes["start"]
    return notes


def same(found, expected, within=1e-9):
    assert found["pitch"].tolist() == expected["pitch"].tolist()
    for column in ("start", "end", "step", "duration"):
        assert found[column] == pytest.approx(expected[column], abs=within)


def test_notes_have_pitch_start_end_step_and_duration_in_seconds(midi):
    file = midi([on(60, 480), off(60, 240), on(64, 240), off(64, 480)])
    same(midi_to_notes(file), table((60, 0.5, 0.75), (64, 1.0, 1.5)))
    # The first step is 0: nothing came before.
    assert midi_to_notes(file)["step"].tolist() == [0.0, 0.5]


def test_a_chord_has_no_steps_and_reads_from_below(midi):
    file = midi([on(67), on(60), on(64), off(60, 480), off(64), off(67), on(48), off(48, 240)])
    same(midi_to_notes(file), table((60, 0, 0.5), (64, 0, 0.5), (67, 0, 0.5), (48, 0.5, 0.75)))


def test_a_tempo_change_changes_the_seconds(midi):
    file = midi([tempo(500_000), on(60), off(60, 480), tempo(1_000_000), on(62), off(62, 480), on(64), off(64, 240)])
    same(midi_to_notes(file), table((60, 0, 0.5), (62, 0.5, 1.5), (64, 1.5, 2.0)))


def test_a_note_on_with_velocity_0_is_a_note_off(midi):
    same(midi_to_notes(midi([on(60), on(60, 480, 0), on(62), on(62, 480, 0)])), table((60, 0, 0.5), (62, 0.5, 1.0)))


def test_only_instrument_0_counts_and_no_drums(midi):
    drums = [on(36, 0, channel=9), off(36, 480, channel=9)]
    first = [on(60, 0, channel=1), off(60, 480, channel=1)]
    second = [on(72, 0, channel=2), off(72, 240, channel=2)]
    same(midi_to_notes(midi(drums, first, second)), table((60, 0, 0.5)))


def test_overlapping_notes_of_one_pitch_end_together(midi):
    # Which off belongs to which on cannot be told; pretty_midi ends both at the first.
    file = midi([on(60), on(60, 240), off(60, 240), off(60, 240), on(62), off(62, 480)])
    same(midi_to_notes(file), table((60, 0, 0.5), (60, 0.25, 0.5), (62, 0.75, 1.25)))


def test_notes_come_back_from_the_file_they_were_written_to(tmp_path):
    rng = np.random.default_rng(1)
    starts = np.cumsum(rng.uniform(0, 0.3, 200))
    notes = table(*((21 + at % 88, start, start + rng.uniform(0.01, 2)) for at, start in enumerate(starts - starts[0])))
    written = notes_to_midi(notes, tmp_path / "a.mid", "Electric Piano 1", velocity=90)
    same(midi_to_notes(tmp_path / "a.mid"), notes, within=2e-3)
    (instrument,) = pretty_midi.PrettyMIDI(str(tmp_path / "a.mid")).instruments
    assert (instrument.name, instrument.program) == ("Electric Piano 1", 4)
    assert {note.velocity for note in instrument.notes} == {90}
    assert len(written.instruments[0].notes) == 200


def test_written_notes_are_loud_100_and_no_key_is_struck_while_it_sounds(tmp_path):
    notes_to_midi(table((60, 0, 2), (60, 1, 1.0), (60, 1.5, 2), (64, 1.5, 1.6)), tmp_path / "a.mid", "Violin")
    same(midi_to_notes(tmp_path / "a.mid"), table((60, 0, 1), (60, 1, 1.01), (60, 1.5, 2), (64, 1.5, 1.6)), 1e-3)
    messages = [message for message in mido.MidiFile(tmp_path / "a.mid").tracks[1] if message.type == "note_on"]
    assert {message.velocity for message in messages} == {0, 100}


def test_the_same_notes_give_the_same_bytes(tmp_path):
    notes = table((60, 0, 1), (62, 0.5, 1))
    for name in "ab":
        notes_to_midi(notes, tmp_path / name, "Violin")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_an_unknown_instrument_and_a_place_that_is_none_are_told(tmp_path):
    notes = table((60, 0, 1))
    with pytest.raises(UsageError, match="'Grand Piano', did you mean"):
        notes_to_midi(notes, tmp_path / "a.mid", "Grand Piano")
    with pytest.raises(ImprovError, match=f"{tmp_path}: Is a directory"):
        notes_to_midi(notes, tmp_path, "Violin")


def test_names(midi):
    assert note_names([0, 60, 61, 127]) == ["C-1", "C4", "C#4", "G9"]
    file = midi([on(36, 0, channel=9), off(36, 480, channel=9)], [on(60, 240), on(63, 240), off(60), off(63, 480)])
    assert describe(file, 1).splitlines() == [
        "number of instruments: 2",
        "instrument 0: drums, 1 notes",
        "instrument 1: Acoustic Grand Piano, 2 notes",
        "0: pitch=60, note_name=C4, duration=0.2500",
    ]


@pytest.mark.parametrize("read", [midi_to_notes, describe])
def test_what_is_no_music_is_told(tmp_path, midi, read):
    (tmp_path / "text.mid").write_text("no MIDI")
    for path, told in (
        (tmp_path / "none.mid", "there is no such file"),
        (tmp_path / "text.mid", "no MIDI file, or a damaged one"),
        (tmp_path, "no MIDI file, or a damaged one"),
        (midi([]), "there are no notes"),
        (midi([on(36, 0, channel=9), off(36, 480, channel=9)]), "there are no notes"),
    ):
        with pytest.raises(CorpusError, match=told):
            read(path)


def test_sequences_are_25_notes_and_the_one_that_followed():
    notes = table(*((40 + at, at * 0.5, at * 0.5 + 0.25) for at in range(30)))
    sequences = create_sequences(notes)
    assert (len(sequences.starts), sequences.length) == (5, 25)
    inputs, labels = sequences.cut(sequences.starts)
    assert inputs.shape == (5, 25, 3)
    assert inputs[1, :, 0] * 128 == pytest.approx(np.arange(41, 66))
    assert inputs[1, 0, 1:].tolist() == [0.5, 0.25]
    assert labels["pitch"].tolist() == [65, 66, 67, 68, 69]
    assert {name: label.shape for name, label in labels.items()} == {"pitch": (5,), "step": (5, 1), "duration": (5, 1)}
    assert not len(create_sequences(notes[:25]).starts)


def test_no_sequence_goes_from_file_to_file():
    first, second = (table(*((pitch, at, at + 1) for at in range(28))) for pitch in (50, 90))
    inputs, labels = (sequences := create_sequences(first, second)).cut(sequences.starts)
    assert len(inputs) == 6
    assert all(len({*window[:, 0] * 128, label}) == 1 for window, label in zip(inputs, labels["pitch"], strict=True))


def test_batches_are_shuffled_and_the_remainder_is_dropped():
    sequences = create_sequences(table(*((at % 128, at, at + 1) for at in range(125))))
    found = list(batches(sequences, batch_size=32))
    assert [inputs.shape for inputs, _ in found] == [(32, 25, 3)] * 3
    pitches = np.concatenate([labels["pitch"] for _, labels in found])
    assert len(set(pitches)) == 96 < len(sequences.starts) == 100
    assert pitches.tolist() != sorted(pitches)
    again, other = (np.concatenate([b[1]["pitch"] for b in batches(sequences, 32, seed)]) for seed in (42, 43))
    assert pitches.tolist() == again.tolist() != other.tolist()


MELODY = table(*((60 + at * 2 % 12, at * 0.25, at * 0.25 + 0.2) for at in range(30)))


def test_a_next_note_is_one_that_can_be_played():
    model = load_model()
    rng = np.random.default_rng(3)
    drawn = [predict_next_note(MELODY, model, 2.0, rng) for _ in range(50)]
    assert all(0 <= pitch <= 127 and step >= 0 and duration > 0 for pitch, step, duration in drawn)
    # Step and duration are a point, not a distribution.
    assert len({pitch for pitch, _, _ in drawn}) > 10
    assert len({(step, duration) for _, step, duration in drawn}) == 1


def test_pitches_are_drawn_from_the_softmax_of_the_logits_over_the_temperature():
    model = load_model()
    rows = np.column_stack([MELODY[name] for name in ("pitch", "step", "duration")] + [np.full(30, 100)])
    logits = model.heads(model.prime(rows.astype(np.float32)))[0][0].astype(np.float64) / 2
    expected = np.exp(logits - np.logaddexp.reduce(logits))
    rng = np.random.default_rng(0)
    counts = np.bincount([predict_next_note(MELODY, model, 2.0, rng)[0] for _ in range(2000)], minlength=128)
    # Half of the sum of differences is at most what chance leaves of it.
    assert np.abs(counts / 2000 - expected).sum() / 2 < 0.12


def test_generation_feeds_back_what_it_drew_as_it_was_trained():
    """By the tutorial's own loop: predict, append, drop the oldest, with the new pitch divided by 128 as the others."""
    model = load_model()
    made = generate_notes(MELODY, model, 120, temperature=0.05)
    heard = MELODY[-25:]
    for at in range(20):
        _, step, duration = predict_next_note(heard, model, 0.05, np.random.default_rng(0))
        assert (made["step"][at], made["duration"][at]) == pytest.approx((step, duration), rel=1e-4)
        heard = np.append(heard[1:], np.array([(made["pitch"][at], 0, 0, step, duration)], NOTE))
    assert len(made) == 120
    assert made["start"] == pytest.approx(np.cumsum(made["step"]))
    assert made["end"] == pytest.approx(made["start"] + made["duration"])
    assert np.array_equal(made, generate_notes(MELODY, model, 120, temperature=0.05))
    assert not np.array_equal(made, generate_notes(MELODY, model, 120, temperature=0.05, seed=1))


def test_what_cannot_be_predicted_with_is_told():
    with pytest.raises(ModelError, match="no model named 'tutorail', did you mean tutorial"):
        load_model("tutorail")
    for temperature in (0, -1, float("nan")):
        with pytest.raises(UsageError, match="must be above 0"):
            predict_next_note(MELODY, load_model(), temperature)
