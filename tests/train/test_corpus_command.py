import json

import pytest

from improv import cli


@pytest.fixture
def improv(tmp_path, monkeypatch, capfd):
    """Return a function that runs `improv` in a folder, with its cache there: exit code, output, errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NO_COLOR", "1")

    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["improv", *arguments])
        with pytest.raises(SystemExit) as left:
            cli.main()
        done = capfd.readouterr()
        return left.value.code or 0, done.out, done.err

    return run


def test_a_report_is_told_written_and_drawn(improv, corpus_folder, tmp_path):
    code, out, err = improv("corpus", "small", "--out", "pictures", "--json", "report.json")
    assert code == 0
    assert "small: no file is left out\nnothing that is held out is among what is trained on\n" in out
    assert err == "picture: pictures/small.png\n"
    assert json.loads((tmp_path / "report.json").read_text())["corpora"][0]["name"] == "small"
    # A second time from the cache, which is the first time's.
    assert improv("corpus", "small") == (0, out, "")
    assert len(list((tmp_path / ".cache" / "improv").iterdir())) == 1


def test_pictures_of_one_name_do_not_take_each_others_place(improv, corpus_folder, tmp_path):
    (tmp_path / "more").mkdir()
    corpus_folder.rename(tmp_path / "more" / "small")
    (tmp_path / "small").symlink_to(tmp_path / "more" / "small")
    code, _, _ = improv("corpus", "small", "more/small", "--out", ".")
    assert code == 0
    assert sorted(path.name for path in tmp_path.glob("*.png")) == ["small-1.png", "small-2.png"]


def test_what_is_no_corpus_is_told_in_a_line(improv, tmp_path):
    assert improv("corpus", "nowhere") == (1, "", "improv: nowhere: no such file or folder\n")
    assert improv("corpus")[0] == 2


def test_without_the_library_its_extra_is_named(improv, corpus_folder, monkeypatch):
    monkeypatch.setattr("improv.train.readers.find_spec", lambda _: None)
    assert improv("corpus", "small") == (1, "", "improv: reading corpora needs symusic; install improv[train]\n")
    code, _, err = improv("bench", "--reading", "small")
    assert (code, err) == (1, "improv: reading corpora needs symusic; install improv[train]\n")


@pytest.mark.parametrize("other", ["--calls", "--training"])
def test_what_is_measured_alone_is_measured_one_at_a_time(improv, corpus_folder, other):
    assert improv("bench", "--reading", "small", other, "small") == (
        2,
        "",
        "--calls, --reading, --training, --turn-taking, --tempo and --beat: one at a time\n",
    )
