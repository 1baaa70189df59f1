import subprocess
import sys

import pytest
from matplotlib import image

from improv.errors import SessionError
from improv.sessions.roll import draw

from .music import human, machine, session, write


@pytest.mark.parametrize(("seconds", "height"), [(2, 700), (160, 3 * 380), (1600, 6 * 380)])
def test_both_players_are_seen_in_their_colours(tmp_path, seconds, height):
    played = [human(at, 60 + at % 12, 1.5, 40 + at % 80) for at in range(1, seconds, 5)]
    played += [machine(at, at, 64 + at % 12, 1.5) for at in range(3, seconds + 2, 5)]
    draw(write(tmp_path / "session.jsonl", session(*played)), tmp_path / "new" / "roll.png")
    pixels = image.imread(tmp_path / "new" / "roll.png")
    assert pixels.shape[:2] == (height, 1600)
    red, green, blue = pixels[..., 0], pixels[..., 1], pixels[..., 2]
    assert ((red > 0.4) & (blue < red / 2)).sum() > 500
    assert ((blue > 0.4) & (red < blue / 2)).sum() > 500
    # Paper, staff and shades are most of it, whatever it is laid on.
    assert (green < 0.25).mean() > 0.8


def test_a_session_of_the_human_alone_can_be_drawn(tmp_path):
    draw(write(tmp_path / "session.jsonl", session(human(0, 0, 0.0), human(0, 127, 0.0))), tmp_path / "roll.png")
    assert (tmp_path / "roll.png").stat().st_size > 1000


def test_what_cannot_be_drawn_or_kept_is_a_session_error(tmp_path):
    journal = write(tmp_path / "session.jsonl", session(human(1, 60, 1)))
    with pytest.raises(SessionError, match=str(tmp_path)):
        draw(journal, tmp_path)
    with pytest.raises(SessionError, match="nothing was played"):
        draw(write(journal, session()), tmp_path / "roll.png")


def test_no_drawing_is_loaded_before_it_is_wanted():
    code = "import sys, improv.sessions.roll, improv.sessions.journal; print([n for n in sys.modules if 'plot' in n])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
