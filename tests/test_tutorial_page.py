"""docs/tutorial.md, followed from top to bottom by somebody who copies every block of it."""

import re
import shlex
from pathlib import Path

import mido
import numpy as np
import pytest

from improv.train import plots, tutorial

PAGE = Path(__file__).parents[1] / "docs" / "tutorial.md"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def compose(path: Path, seed: int) -> None:
    """Write 150 notes of two hands, with a pedal and a name for the instrument."""
    rng = np.random.default_rng(seed)
    track = mido.MidiTrack([mido.Message("control_change", control=64, value=127)])
    for pitch in rng.integers(40, 80, 150):
        length = int(rng.integers(60, 480))
        track += [mido.Message("note_on", note=int(pitch)), mido.Message("note_off", note=int(pitch), time=length)]
    path.parent.mkdir(parents=True, exist_ok=True)
    mido.MidiFile(tracks=[track]).save(path)


@pytest.mark.tensorflow
def test_every_block_of_the_page_runs(improv, tmp_path, monkeypatch, capfd):
    # Where the corpora are cached.
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for at in range(8):
        compose(tmp_path / "maestro-v2.0.0" / f"{2004 + at % 3}" / f"{at}.midi", at)
    page = PAGE.read_text(encoding="utf-8")
    blocks = BLOCK.findall(page)
    assert len(blocks) == page.count("```") / 2 >= 13
    here: dict[str, object] = {}
    printed = ""
    for language, code in blocks:
        if language == "python":
            exec(compile(code, str(PAGE), "exec"), here)  # noqa: S102 - our own page
            printed += capfd.readouterr().out
            continue
        assert language == "sh"
        for line in code.splitlines():
            program, *arguments = shlex.split(line)
            assert program == "improv"
            done = improv(*arguments)
            assert done.code == 0, done.err
    assert "number of files: 8" in printed
    assert "instrument 0: Acoustic Grand Piano, 150 notes" in printed
    assert "(64, 25, 3) {'pitch': (64,), 'step': (64, 1), 'duration': (64, 1)}" in printed
    assert "84354" in printed
    for name in re.findall(r"[\w-]+\.(?:png|mid|safetensors)\b", "".join(code for _, code in blocks)):
        assert (tmp_path / name).stat().st_size > 500
    for name in ("example.roll.png", "example.distributions.png", "continued.png", "better.png"):
        assert (tmp_path / name).stat().st_size > 10_000


def test_what_the_page_names_exists():
    table = PAGE.read_text(encoding="utf-8").split("\n\n")[2]
    ours = [name for row in table.splitlines()[2:] for name in re.findall(r"`([a-z_]+)`", row.split("|")[2])]
    assert len(ours) > 8
    assert all(hasattr(tutorial, name) or hasattr(plots, name) for name in ours)
