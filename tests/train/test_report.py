import io
import json
from dataclasses import replace

import matplotlib.image
import pytest
from rich.console import Console

from improv.errors import CorpusError
from improv.train import corpus_plot, report
from improv.train.duplicates import SHARED
from improv.train.report import examine, facts, render, write


@pytest.fixture
def examined(corpus_folder, tmp_path, write_midi):
    for at in range(5):
        (corpus_folder / "midi" / f"broken[{at}].mid").write_bytes(b"MThd")
    copy = (corpus_folder / "midi" / "0.mid").read_bytes()
    (corpus_folder / "midi" / "copy.mid").write_bytes(copy)
    with (corpus_folder / "index.csv").open("a") as index:
        index.writelines(f"\nmidi/broken[{at}].mid,train" for at in range(5))
        index.write("\nmidi/copy.mid,test")
    return examine([corpus_folder], tmp_path / "cache")


def test_everything_is_told_as_json(examined, tmp_path):
    write(examined, tmp_path / "a.json")
    told = json.loads((tmp_path / "a.json").read_text())
    assert told == facts(examined)
    (small,) = told["corpora"]
    assert small["splits"] == {
        "train": {"files": 2, "notes": 120, "hours": 0.01},
        "validation": {"files": 1, "notes": 60, "hours": 0.0},
        "test": {"files": 1, "notes": 60, "hours": 0.0},
    }
    assert small["distributions"]["velocity"] == [80] * 7
    assert small["distributions"]["step"][3] == pytest.approx(0.25, abs=0.002)
    assert small["distributions"]["pitch"][0::6] == [48, 71]
    assert (small["chord_notes"], small["files_without_dynamics"], small["skipped"]) == (0, 4, {"broken": 5})
    assert [each["file"] for each in small["left_out"]] == [f"midi/broken[{at}].mid" for at in range(5)]
    assert told["duplicates"] == [
        {
            "held_out": "small: midi/copy.mid",
            "split": "test",
            "train": "small: midi/0.mid",
            "how": "the same bytes",
            "share": 1,
        }
    ]


def test_a_person_reads_it(examined, monkeypatch):
    monkeypatch.setattr(report, "_MOST_DUPLICATES", 1)
    console = Console(width=120, record=True, file=io.StringIO())
    (twice,) = examined.duplicates
    shared = replace(twice, how=SHARED, share=0.25)
    for part in render(replace(examined, duplicates=(shared, twice))):
        console.print(part, markup=False, highlight=False, soft_wrap=isinstance(part, str))
    lines = [" ".join(line.split()) for line in console.export_text().splitlines()]
    assert "small MIT train 2 120 0.0" in lines
    assert "test 1 60 0.0" in lines
    assert any(line.startswith("small pitch 48 ") for line in lines)
    assert lines[-8:] == [
        "small: 0% of the notes come within 20 ms of the one before; files without dynamics: 4",
        "small: left out, broken: 5",
        *(f"midi/broken[{at}].mid: Invalid midi file! File size is less than 14" for at in range(3)),
        "and 2 more",
        "small: midi/copy.mid (test) has much of the same piece (25% of its passages) as small: midi/0.mid (train)",
        "and 1 more files that are held out and trained on",
    ]


def test_nothing_is_told_of_what_is_in_order(tmp_path, write_midi):
    write_midi(tmp_path / "a" / "1.mid", [60, 64, 67], step=0.01, duration=0.01)
    lines = [part for part in render(examine([tmp_path / "a"], tmp_path / "cache")) if isinstance(part, str)]
    assert lines == [
        "a: 100% of the notes come within 20 ms of the one before; files without dynamics: 1",
        "a: no file is left out",
        "nothing that is held out is among what is trained on",
    ]


def test_no_name_of_a_file_does_anything_to_a_terminal(tmp_path, write_midi):
    write_midi(tmp_path / "a" / "1.mid", [60, 64, 67])
    (tmp_path / "a" / "\x1b[2J\udcff.mid").write_bytes(b"MThd")
    examined = examine([tmp_path / "a"], tmp_path / "cache")
    lines = [part for part in render(examined) if isinstance(part, str)]
    assert lines[2] == "    \\x1b[2J\\udcff.mid: Invalid midi file! File size is less than 14"
    write(examined, tmp_path / "a.json")
    assert json.loads((tmp_path / "a.json").read_text())["corpora"][0]["left_out"][0]["file"] == "\x1b[2J\udcff.mid"


def test_the_picture_has_four_panels_with_every_split(examined, tmp_path):
    (small,) = examined.corpora
    figure = corpus_plot.picture(small)
    assert [axes.get_title(loc="left").split()[0].strip(":") for axes in figure.axes] == [
        "pitch",
        "step",
        "duration",
        "velocity",
    ]
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == ["train", "validation", "test"]
    for axes in figure.axes:
        for bars in axes.patches:
            values, _, _ = bars.get_data()
            assert values.sum() == pytest.approx(100)
    corpus_plot.draw(small, tmp_path / "new" / "a.png")
    assert matplotlib.image.imread(tmp_path / "new" / "a.png").shape[:2] == (800, 1200)


def test_what_cannot_be_written_is_told(examined, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CorpusError, match=r"file/a\.png: "):
        corpus_plot.draw(examined.corpora[0], tmp_path / "file" / "a.png")
    with pytest.raises(CorpusError, match=r"file/a\.json: "):
        write(examined, tmp_path / "file" / "a.json")
