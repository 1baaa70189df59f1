import re

from improv.train.progress import Progress, watched


def test_a_line_now_and_then_says_how_fast_and_how_long():
    lines = []
    progress = Progress(lines.append, None, 10, 40, notes=100, every=5)
    for done in range(11, 21):
        progress.at(done, f"batch {done} of 40", 2.5)
    assert len(lines) == 2
    assert re.fullmatch(r"batch 15 of 40: loss 2\.500, [\d,]+ notes/s, [\d.]+ minutes left", lines[0])


def test_a_terminal_gets_a_bar(capsys):
    with watched(print, terminal=True) as (report, bar):
        progress = Progress(report, bar, 0, 4, notes=100, every=2)
        report("a [line] of progress")
        for done in range(1, 5):
            progress.at(done, f"batch {done} of 4", 2.5)
    err = capsys.readouterr().err
    assert "a [line] of progress" in err
    assert "batch 4 of 4" in err
    assert "100%" in err
    assert "notes/s" in err


def test_without_a_terminal_there_is_no_bar():
    said = []
    with watched(said.append, terminal=False) as (report, bar):
        report("a line")
    assert (said, bar) == (["a line"], None)
