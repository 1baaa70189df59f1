"""`improv plot` as a person meets it."""

import mido
import pytest
from matplotlib import image

from .sessions.music import human, machine, session, write


def colours(png):
    """Return how much of a picture is amber, and how much is blue."""
    pixels = image.imread(png)
    assert pixels.shape[1] == 1600
    red, blue = pixels[..., 0], pixels[..., 2]
    return int(((red > 0.4) & (blue < red / 2)).sum()), int(((blue > 0.4) & (red < blue / 2)).sum())


@pytest.fixture
def files(tmp_path):
    """A MIDI file of 40 notes, a session of two players, a history of a training."""
    track = mido.MidiTrack()
    for at in range(40):
        track += [mido.Message("note_on", note=50 + at), mido.Message("note_off", note=50 + at, time=240)]
    mido.MidiFile(tracks=[track]).save(tmp_path / "a.mid")
    played = [human(at, 60 + at, 0.8) for at in range(1, 9)] + [machine(1, at, 70, 0.8) for at in range(9, 12)]
    write(tmp_path / "s.jsonl", session(*played))
    (tmp_path / "mine.history.csv").write_text("epoch,name,value\n1,loss,3\n1,held-out x pitch,4\n2,loss,2\n")
    return tmp_path


def test_a_roll_is_drawn_of_each_file(improv, files):
    done = improv("plot", "a.mid", "s.jsonl")
    assert (done.code, done.out, done.err) == (0, "picture: a.roll.png\npicture: s.roll.png\n", "")
    amber, blue = colours(files / "a.roll.png")
    assert amber > 5000 > blue == 0
    amber, blue = colours(files / "s.roll.png")
    assert min(amber, blue) > 5000


def test_of_a_session_the_first_notes_may_be_the_human_s_alone(improv, files):
    assert improv("plot", "s.jsonl", "--first", "8", "--out", "new/first.png").out == "picture: new/first.png\n"
    amber, blue = colours(files / "new" / "first.png")
    # In the legend the other is still named.
    assert amber > 5000
    assert blue < 1000


def test_the_first_notes_of_a_file_are_drawn_larger(improv, files):
    improv("plot", "a.mid")
    improv("plot", "a.mid", "--first", "5", "--out", "five.png")
    assert colours(files / "five.png")[0] > colours(files / "a.roll.png")[0]


def test_distributions_are_one_picture_of_all_files(improv, files):
    done = improv("plot", "s.jsonl", "a.mid", "--kind", "distributions")
    assert (done.code, done.out) == (0, "picture: s.distributions.png\n")
    assert min(colours(files / "s.distributions.png")) > 500
    # More than can be told apart are one.
    done = improv("plot", *["a.mid"] * 5, "--kind", "distributions", "--out", "all.png")
    assert (done.code, done.out) == (0, "picture: all.png\n")
    amber, blue = colours(files / "all.png")
    assert amber > 5000 > blue == 0


def test_a_history_is_drawn_as_its_losses(improv, files):
    assert improv("plot", "mine.history.csv").out == "picture: mine.history.loss.png\n"
    assert min(colours(files / "mine.history.loss.png")) > 50


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        ((), 2, "Missing argument"),
        (("none.mid",), 1, "none.mid: there is no such file"),
        (("none.jsonl",), 1, "none.jsonl: No such file"),
        (("none.csv",), 1, "none.csv: no history of a training: No such file"),
        (("mine.history.csv", "--kind", "roll"), 1, "mine.history.csv: no MIDI file"),
        (("a.mid", "--kind", "loss"), 1, "a.mid: no history of a training"),
        (("a.mid", "--kind", "colours"), 2, "'--kind'"),
        (("a.mid", "--first", "0"), 2, "'--first'"),
        (("a.mid", "--out", "a.jpg"), 2, "--out a.jpg: a picture ends in .png"),
        (("a.mid", "s.jsonl", "--out", "a.png"), 2, "--out a.png: 2 files are 2 pictures"),
        (("a.mid", "--out", "a.mid/a.png"), 1, "a.mid/a.png: "),
        (("empty.mid",), 1, "empty.mid: there are no notes"),
        (("empty.mid", "a.mid", "--kind", "distributions"), 1, "empty.mid: there are no notes"),
    ],
)
def test_what_is_wrong_is_told(improv, files, arguments, code, told):
    mido.MidiFile(tracks=[mido.MidiTrack()]).save(files / "empty.mid")
    before = sorted(files.iterdir())
    done = improv("plot", *arguments)
    assert done.code == code
    assert told in done.err
    assert "Traceback" not in done.err
    assert sorted(files.iterdir()) == before
