import pytest

from improv.bench.calls import Turn, listed, rows, turns_of
from improv.bench.figures import Verdict
from improv.errors import CorpusError
from improv.events import Note, NoteOff, NoteOn, encode
from improv.listen.phrase import Silence
from improv.musician import Manner, Musician
from improv.play.turns import Answer
from tests.parrot import Parrot


def answer(length: float, velocity: int, notes: int = 4) -> Answer:
    return Answer(1, 1, tuple(Note(60 + place, velocity, 0.0, length) for place in range(notes)))


def test_an_answer_fits_in_length_and_loudness_within_bounds():
    assert Turn(4.0, 70.0, answer(2.0, 82)).fits_in_length
    assert Turn(4.0, 70.0, answer(6.0, 58)).fits_in_loudness
    assert not Turn(4.0, 70.0, answer(6.1, 70)).fits_in_length
    assert not Turn(4.0, 70.0, answer(4.0, 83)).fits_in_loudness


def test_the_rows_are_shares_of_the_turns():
    turns = [Turn(4.0, 70.0, answer(4.0, 70))] * 9 + [Turn(4.0, 70.0, answer(4.0, 90, notes=3))]
    fit, four, notes, *_ = rows(turns)
    assert fit.values == {"both": 90.0, "length": 100.0, "velocity": 90.0}
    assert fit.verdict is Verdict.MET
    assert four.values == {"share": 90.0}
    assert notes.values == {"least": 3, "p50": 4.0, "most": 4}
    assert rows(turns[-1:])[0].verdict is Verdict.MISSED


def test_each_silence_that_ends_a_phrase_is_a_turn():
    musician = Musician(Parrot(), Manner(silence=Silence(fixed=0.5)), seed=1)
    melody = [0.0, 0.3, 0.6, 0.9, 3.0, 3.4, 3.8, 4.2, 4.6]
    events = [event for at in melody for event in ((at, encode(NoteOn(60, 80))), (at + 0.2, encode(NoteOff(60))))]
    turns = list(turns_of(musician, events))
    assert [round(turn.length, 3) for turn in turns] == [1.1, 1.8]
    assert all(turn.velocity == 80 and len(turn.answer.notes) >= 4 for turn in turns)


def test_the_validation_split_of_an_index_is_played(tmp_path):
    (tmp_path / "index.csv").write_text("path,split\na.mid,train\nsub/b.mid,validation\n")
    assert listed(tmp_path) == [tmp_path / "sub" / "b.mid"]


def test_without_an_index_every_midi_file_is(tmp_path):
    for name in ("b.MID", "a.midi", "c.txt"):
        (tmp_path / name).touch()
    assert [path.name for path in listed(tmp_path)] == ["a.midi", "b.MID"]


def test_a_folder_without_music_is_refused(tmp_path):
    with pytest.raises(CorpusError, match="no MIDI files"):
        listed(tmp_path)
