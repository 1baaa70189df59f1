import pytest

from improv.train.history import History, draw, history_file, read_history


@pytest.fixture
def out(tmp_path):
    return tmp_path / "models" / "mine.safetensors"


def test_rows_are_added_and_read(out):
    history = History(out, 0)
    history.add(100, 0.5, {"loss": 4.25, "held-out a pitch": 3.5})
    history.add(200, 1.0, {"loss": 4.0})
    assert read_history(history_file(out)) == [
        (100, 0.5, "loss", 4.25),
        (100, 0.5, "held-out a pitch", 3.5),
        (200, 1.0, "loss", 4.0),
    ]


def test_what_lies_beyond_the_checkpoint_is_written_again(out):
    history = History(out, 0)
    for notes in (100, 200, 300):
        history.add(notes, notes / 200, {"loss": 5.0})
    again = History(out, 200)
    again.add(300, 1.5, {"loss": 4.0})
    assert [(row[0], row[3]) for row in read_history(history_file(out))] == [(100, 5), (200, 5), (300, 4)]
    # From the beginning, there is nothing yet.
    History(out, 0)
    assert read_history(history_file(out)) == []


def test_a_torn_row_is_left_out(out):
    History(out, 0).add(100, 0.5, {"loss": 4.25})
    with history_file(out).open("a") as file:
        file.write("200,1.0,lo")
    assert read_history(history_file(out)) == [(100, 0.5, "loss", 4.25)]


def test_a_disk_without_room_is_no_end(tmp_path):
    (tmp_path / "blocked").write_text("a file")
    out = tmp_path / "blocked" / "mine.safetensors"
    History(out, 0).add(100, 0.5, {"loss": 4.25})
    assert draw(out) is None


def test_the_loss_is_drawn(out):
    history = History(out, 0)
    assert draw(out) is None
    for notes in (100, 200, 300):
        history.add(notes, notes / 200, {"loss": 500 / notes, "held-out a pitch": 600 / notes})
    png = draw(out)
    assert png == out.with_name("mine.loss.png")
    assert png.read_bytes().startswith(b"\x89PNG")
