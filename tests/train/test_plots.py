"""What the pictures show, read from the figures themselves."""

import numpy as np
import pytest
from matplotlib.collections import PolyCollection

from improv.errors import CorpusError
from improv.train.plots import distributions, plot_distributions, plot_loss, plot_piano_roll, read_history
from improv.train.tutorial import NOTE


def table(count):
    """Return notes half a second apart, every second one with the one before it."""
    notes = np.zeros(count, NOTE)
    notes["pitch"] = 60 + np.arange(count) % 12
    notes["step"][2::2] = 1.0
    notes["start"] = 5 + np.cumsum(notes["step"])
    notes["duration"] = 0.4
    notes["end"] = notes["start"] + 0.4
    return notes


def test_a_piano_roll_begins_with_its_first_note_and_holds_as_many_as_asked():
    for count, shown in ((None, 30), (10, 10), (100, 30)):
        figure = plot_piano_roll(table(30), count)
        (axes,) = figure.axes
        (boxes,) = (each for each in axes.collections if isinstance(each, PolyCollection))
        corners = np.array([path.vertices[:4] for path in boxes.get_paths()])
        assert len(corners) == shown
        assert corners[0].min(axis=0) == pytest.approx([0, 59.5], abs=0.1)
        assert axes.get_xlabel() == "seconds"
        assert [label.get_text() for label in axes.get_yticklabels()] == ["C4", "C5"]
        assert [text.get_text() for text in figure.legends[0].get_texts()] == [f"{shown} notes"]


def heights(axes):
    return {round(float(bar.get_x() + bar.get_width() / 2), 3): float(bar.get_height()) for bar in axes.patches}


def test_distributions_are_shares_of_the_notes():
    figure = plot_distributions(table(24))
    assert [axes.get_xlabel() for axes in figure.axes] == ["pitch", "step (s)", "duration (s)"]
    pitch, step, duration = figure.axes
    assert heights(pitch) == pytest.approx(dict.fromkeys(range(60, 72), 100 / 12))
    # 13 of 24 begin with the one before, or first.
    tall = {at: height for at, height in heights(step).items() if height}
    assert list(tall.values()) == pytest.approx([100 * 13 / 24, 100 * 11 / 24])
    assert [height for height in heights(duration).values() if height] == pytest.approx([100])


def test_velocities_are_shown_where_all_have_them():
    rows = np.array([[60, 0, 0.2, 80], [62, 0.5, 0.2, 90]], np.float32)
    assert len(distributions([("a", rows)], "title").axes) == 4
    figure = distributions([("a", rows), ("b", np.where(np.arange(4) == 3, np.nan, rows))], "title")
    assert len(figure.axes) == 3
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["a", "b"]


def curves(figure):
    return {
        axes.get_ylabel(): [(line.get_color(), line.get_xydata().tolist()) for line in axes.lines]
        for axes in figure.axes
        if axes.get_visible()
    }


def test_losses_have_a_panel_each_and_what_was_held_out_another_colour():
    history = [
        {"epoch": 1, "loss": 3.0, "pitch_loss": 4.0, "val_loss": 3.5},
        {"epoch": 2, "loss": 2.0, "pitch_loss": 3.5},
        {"epoch": 3, "loss": float("nan"), "pitch_loss": 3.0, "val_loss": 2.5},
    ]
    figure = plot_loss(history)
    found = curves(figure)
    trained, held_out = found["loss"]
    assert trained[1] == [[1, 3], [2, 2]]
    assert held_out[1] == [[1, 3.5], [3, 2.5]]
    assert found["pitch loss"] == [(trained[0], [[1, 4], [2, 3.5], [3, 3]])]
    assert trained[0] != held_out[0]
    assert figure.axes[0].get_xlabel() == "epoch"
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["training", "held out"]


def test_what_was_held_out_has_a_colour_for_each_corpus():
    history = [
        {"epoch": 0.5, "notes": 100, "loss": 5.0, "held-out a b pitch": 3.0, "held-out c pitch": 2.0},
        {"epoch": 1.0, "notes": 200, "loss": 4.0, "held-out a b pitch": 2.5, "held-out c pitch": 1.5},
    ]
    figure = plot_loss(history)
    found = curves(figure)
    assert found["loss"][0][1] == [[0.5, 5], [1, 4]]
    assert [points for _, points in found["pitch loss"]] == [[[0.5, 3], [1, 2.5]], [[0.5, 2], [1, 1.5]]]
    assert len({colour for colour, _ in (*found["loss"], *found["pitch loss"])}) == 3
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["training", "held out: a b", "held out: c"]


@pytest.mark.parametrize(
    "text",
    [
        "epoch,notes,loss,val\n1,10,3,4\n2,20,2,\n",
        "epoch,notes,name,value\n1,10,loss,3\n1,10,val,4\n2,20,loss,2\n2,20,val,to",
    ],
)
def test_a_history_has_a_column_or_a_line_for_each_number(tmp_path, text):
    (tmp_path / "a.csv").write_text(text)
    assert read_history(tmp_path / "a.csv") == [
        {"epoch": 1, "notes": 10, "loss": 3, "val": 4},
        {"epoch": 2, "notes": 20, "loss": 2},
    ]


@pytest.mark.parametrize(
    "content", [b"", b"epoch,loss\n", b"epoch,notes\n1,2\n", b"\xff\xfe\x00", b"some text\nand more"]
)
def test_what_is_no_history_is_told(tmp_path, content):
    (tmp_path / "a.csv").write_bytes(content)
    for path in (tmp_path / "a.csv", tmp_path / "none.csv", tmp_path):
        with pytest.raises(CorpusError, match=f"{path}: no history of a training"):
            read_history(path)
