"""`improv generate` as a person meets it, and what is in its files."""

from dataclasses import replace
from itertools import pairwise

import mido
import numpy as np
import pytest
from matplotlib import image

from improv import generate
from improv.errors import ImprovError, ModelError, UsageError
from improv.events import Note
from improv.generate import Piece, Wish
from improv.predict.weights import find, load
from improv.sessions.performance import DEMO
from improv.sessions.performance import load as notes_of

from .sessions.music import human, machine, session, write

STYLES = load(find("lstm")).card.styles


def test_the_same_wish_gives_the_same_bytes_and_another_seed_does_not(tmp_path):
    for name, seed in (("first", 1), ("second", 1), ("third", 2)):
        piece = generate.generate(Wish(seed=seed, notes=15))
        # In folders: the name of a file is in it.
        generate.write(piece, tmp_path / name / "a.mid", tmp_path / name / "a.png")
    for file in ("a.mid", "a.png"):
        first, second, third = ((tmp_path / name / file).read_bytes() for name in ("first", "second", "third"))
        assert first == second
        assert first != third


@pytest.mark.parametrize("model", ["lstm", "tutorial"])
def test_120_notes_follow_the_first_window_of_the_prompt(model):
    piece = generate.generate(Wish(model=model, temperature=2.0))
    prompt = notes_of(DEMO).notes[:25]
    assert piece.prompt == prompt
    assert len(piece.continuation) == 120
    onsets = [prompt[-1].onset, *(note.onset for note in piece.continuation)]
    assert all(before <= after for before, after in pairwise(onsets))
    assert all(21 <= note.pitch <= 108 and 1 <= note.velocity <= 127 for note in piece.continuation)


def test_a_model_without_velocity_plays_as_loud_as_the_prompt():
    piece = generate.generate(Wish(model="tutorial", prompt_notes=40))
    assert len(piece.prompt) == 40
    assert {note.velocity for note in piece.continuation} == {round(np.mean([n.velocity for n in piece.prompt]))}


def test_a_piece_of_seconds_is_all_that_begins_within_them_and_ends_when_they_do():
    piece = generate.generate(Wish(seconds=6.0))
    end = piece.prompt[-1].onset + 6
    assert max(note.onset + note.duration for note in piece.continuation) <= end + 1e-9
    counted = generate.generate(Wish(notes=len(piece.continuation) + 1)).continuation
    assert [note.onset for note in piece.continuation] == [note.onset for note in counted[:-1]]
    assert piece.continuation[-1].onset < end < counted[-1].onset + 0.05


def test_no_key_is_struck_while_it_sounds():
    piece = generate.generate(Wish(notes=90, temperature=0.3))
    by_pitch: dict[int, list[Note]] = {}
    for note in piece.continuation:
        by_pitch.setdefault(note.pitch, []).append(note)
    assert max(map(len, by_pitch.values())) > 3
    for same in by_pitch.values():
        assert all(first.onset + first.duration <= second.onset + 1e-9 for first, second in pairwise(same))


def test_a_style_is_heard_and_an_unknown_one_is_told_those_there_are():
    first, second = (generate.generate(Wish(style=style, notes=10)).continuation for style in STYLES)
    assert first != second
    with pytest.raises(ModelError, match=f"no style 'polka' .it has: {', '.join(STYLES)}"):
        generate.generate(Wish(style="polka"))
    with pytest.raises(ModelError, match="tutorial has no styles to choose from, so none named 'polka'"):
        generate.generate(Wish(model="tutorial", style="polka"))


def test_the_prompt_of_a_session_is_what_the_human_played(tmp_path):
    played = [human(3 + at * 0.5, 60 + at, 0.4, 50 + at) for at in range(4)]
    journal = write(tmp_path / "session.jsonl", session(*played, machine(1, 3.2, 40, 1.0)))
    piece = generate.generate(Wish(prompt=journal, notes=5))
    assert [note.pitch for note in piece.prompt] == [60, 61, 62, 63]
    assert [note.onset for note in piece.prompt] == pytest.approx([0, 0.5, 1.0, 1.5])
    assert [note.velocity for note in piece.prompt] == [50, 51, 52, 53]


def test_prompt_and_continuation_have_tracks_and_colours_of_their_own(tmp_path):
    prompt = tuple(Note(60 + at, 64, at * 0.5, 0.5) for at in range(4))
    piece = Piece("mine", "yours", prompt, tuple(Note(72 - at, 80, 2 + at, 0.75) for at in range(3)))
    generate.write(piece, tmp_path / "a.mid", tmp_path / "a.png")
    file = mido.MidiFile(tmp_path / "a.mid")
    assert [track.name for track in file.tracks] == ["a", "prompt", "continuation"]
    counts = [sum(message.type == "note_on" for message in track) for track in file.tracks]
    assert counts == [0, 4, 3]
    assert notes_of(tmp_path / "a.mid").notes == (*prompt, *piece.continuation)
    red, _, blue, _ = np.moveaxis(image.imread(tmp_path / "a.png"), -1, 0)
    assert ((red > 0.4) & (blue < red / 2)).sum() > 500
    assert ((blue > 0.4) & (red < blue / 2)).sum() > 500
    generate.write(piece.without_prompt(), tmp_path / "b.mid", tmp_path / "b.png")
    alone = tuple(replace(note, onset=note.onset - 2) for note in piece.continuation)
    assert notes_of(tmp_path / "b.mid").notes == alone
    assert [track.name for track in mido.MidiFile(tmp_path / "b.mid").tracks] == ["b", "continuation"]
    red, _, blue, _ = np.moveaxis(image.imread(tmp_path / "b.png"), -1, 0)
    assert ((red > 0.4) & (blue < red / 2)).sum() == 0


@pytest.mark.parametrize("wish", [Wish(seconds=float("inf")), Wish(temperature=float("nan")), Wish(notes=1, seconds=1)])
def test_what_cannot_be_meant_is_a_usage_error(wish):
    with pytest.raises(UsageError, match="--"):
        generate.generate(wish)


def test_seconds_that_end_before_the_first_note_are_refused(tmp_path):
    slow = tmp_path / "slow.mid"
    file = mido.MidiFile(tracks=[mido.MidiTrack()])
    for _ in range(30):
        file.tracks[0] += [mido.Message("note_on", time=4000), mido.Message("note_off", time=20)]
    file.save(slow)
    with pytest.raises(ImprovError, match=r"the first note comes \d+\.\d\d s after"):
        generate.generate(Wish(prompt=slow, seconds=0.1))


def test_the_command_says_what_it_made(improv, tmp_path):
    done = improv("generate", "--notes", "9", "--out", "new/nine.mid")
    assert (done.code, done.err) == (0, "")
    assert done.out == "new/nine.mid: 9 notes of lstm, after 25 of demo\npicture: new/nine.png\n"
    assert len(notes_of(tmp_path / "new" / "nine.mid").notes) == 34
    done = improv("generate", "--notes", "1", "--out", "$日$.mid")
    assert (done.code, done.err) == (0, "")
    done = improv("generate", "new/nine.mid", "--no-prompt", "--seconds", "2")
    assert done.code == 0
    assert done.out.startswith("generated.mid: ")
    assert notes_of(tmp_path / "generated.mid").notes[-1].onset < 2


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("nowhere.mid",), 1, "nowhere.mid: there is no such file"),
        (("nowhere.jsonl",), 1, "nowhere.jsonl: No such file"),
        (("text.mid",), 1, "text.mid: no MIDI file"),
        (("empty.mid",), 1, "empty.mid: there are no notes"),
        (("empty.jsonl",), 1, "empty.jsonl: no journal"),
        (("machine.jsonl",), 1, "machine.jsonl: the human played nothing"),
        (("--model", "lstn"), 1, "no model named 'lstn', did you mean lstm?"),
        (("--style", "polka"), 1, "lstm has no style 'polka' (it has: "),
        (("--notes", "9", "--seconds", "9"), 2, "--notes and --seconds: how long"),
        (("--notes", "0"), 2, "'--notes'"),
        (("--temperature", "0"), 2, "'--temperature'"),
        (("--seconds", "nan"), 2, "--seconds: nan is no number"),
        (("--out", "piece.txt"), 2, "--out piece.txt: a MIDI file ends in .mid"),
        (("text.mid", "--out", "text.mid"), 2, "--out text.mid: that is the prompt"),
        (("--out", "text.mid/piece.mid"), 1, "text.mid/piece.mid: "),
        (("--out", "folder.mid"), 1, "folder.mid: "),
    ],
)
def test_what_is_wrong_is_told(improv, tmp_path, arguments, code, told):
    (tmp_path / "text.mid").write_text("no MIDI")
    (tmp_path / "empty.jsonl").touch()
    (tmp_path / "folder.mid").mkdir()
    mido.MidiFile(tracks=[mido.MidiTrack()]).save(tmp_path / "empty.mid")
    write(tmp_path / "machine.jsonl", session(machine(1, 1.0, 60, 1.0)))
    before = sorted(tmp_path.iterdir())
    done = improv("generate", *arguments)
    assert done.code == code
    assert told in done.err
    assert "Traceback" not in done.err
    assert sorted(tmp_path.iterdir()) == before
