"""What the memory is worth: measured against the same network alone, on the same phrases."""

import json
import sys

import numpy as np
import pytest

from improv import cli
from improv.predict.engines import engine_of
from improv.predict.weights import find, load
from improv.train import memory_gain
from improv.train.memory_gain import PHRASE, Gain, MemoryGain, together

from .music import noise, notes

ENGINE = engine_of(load(find("lstm")))


def foreseen(music):
    music = music.copy()
    music[0, 1] = 0
    (found,) = memory_gain._foreseen(ENGINE, [music])
    return found


def gains(music):
    """Bare minus mixed nats a note (pitch, step), by notes heard."""
    return {heard: (nats[0] - nats[1]) / PHRASE for heard, nats in memory_gain._phrases(foreseen(music))}


def test_a_theme_that_comes_back_is_foreseen_better_than_by_the_network_alone():
    theme = noise(40, seed=2, velocities=80)
    theme[:, 1] = np.minimum(theme[:, 1], 2)
    found = gains(np.concatenate([theme] * 9)[:325])
    assert sorted(found) == [10, 30, 100, 300]
    assert found[100].sum() > 1
    assert found[300].sum() > found[10].sum() + 1


def test_where_nothing_comes_back_nothing_much_is_lost():
    found = gains(noise(325, seed=5, velocities=80))
    assert found[300].sum() > -0.05


def test_a_short_piece_is_measured_as_far_as_it_goes():
    assert sorted(gains(noise(60, seed=1))) == [10, 30]


def test_pieces_side_by_side_are_foreseen_as_alone():
    pieces = [noise(count, seed=count, velocities=80) for count in (90, 60, 40)]
    for piece in pieces:
        piece[0, 1] = 0
    for piece, found in zip(pieces, memory_gain._foreseen(ENGINE, pieces), strict=True):
        assert found.pitches == pytest.approx(foreseen(piece).pitches, abs=1e-3)
        assert len(found.steps) == len(piece) - 1
    # Of the bare network, so that it is the one evaluated: the state is carried.
    state = ENGINE.prime(pieces[2][:1])
    for note in pieces[2][1:-1]:
        state = ENGINE.advance(state, note[None])
    assert found.steps[-1] == pytest.approx(ENGINE.heads(state)[0, : found.steps.shape[1]], abs=1e-3)


def test_the_phrases_of_a_file_are_different_ones():
    piece = notes(np.arange(400) % 60 + 30)
    music = memory_gain.Music(piece, np.array([0]), np.array([400]), np.array([1], np.int32))
    found = list(memory_gain._passages(music, 0, 50))
    # 400 notes have room for four that begin a phrase apart.
    assert [int(each[0, 0]) - 30 for each in found] == [0, 25, 50, 75 % 60]
    assert all(len(each) == 325 and each[0, 1] == 0 for each in found)


def test_together_each_set_counts_alike():
    def of(value, pieces):
        drawn = np.full(2000, value)
        estimate = memory_gain.spread(value, drawn)
        return MemoryGain("set", (Gain(10, pieces, pieces, {}, {}, {"both": estimate}, 0.0, drawn),), None)

    assert together([of(0.1, 3), of(0.3, 300)], 10).value == pytest.approx(0.2)
    assert together([of(0.1, 3)], 300) is None


@pytest.mark.tensorflow
def test_from_the_command_line(tmp_path, write_midi, monkeypatch, capfd):
    monkeypatch.setenv("HOME", str(tmp_path))
    rows = ["path,split"]
    for index in range(3):
        write_midi(tmp_path / "set" / f"{index}.mid", [60 + (5 * at * (1 + index)) % 24 for at in range(140)])
        rows.append(f"{index}.mid,{'validation' if index else 'train'}")
    (tmp_path / "set" / "index.csv").write_text("\n".join(rows))
    command = ["improv", "evaluate", "lstm", "--memory", "--corpus", str(tmp_path / "set")]
    monkeypatch.setattr(sys, "argv", [*command, "--markdown", "--out", str(tmp_path / "out")])
    with pytest.raises(SystemExit) as left:
        cli.main()
    printed, said = capfd.readouterr()
    assert not left.value.code, said
    figures = json.loads((tmp_path / "out" / "memory.json").read_text())
    (found,) = figures["corpora"]
    assert [each["heard"] for each in found["phrases"]] == [10, 30, 100]
    after_100 = found["phrases"][-1]
    assert (after_100["pieces"], found["cost"]) == (2, None)
    assert f"{after_100['bare']['pitch']:.3f}" in printed
    assert str(tmp_path) not in json.dumps(figures)

    for models, code, word in ((["lstm", "jazz"], 2, "one model at a time"), (["tutorial"], 1, "no distribution")):
        monkeypatch.setattr(sys, "argv", ["improv", "evaluate", *models, *command[3:]])
        with pytest.raises(SystemExit) as left:
            cli.main()
        assert left.value.code == code
        assert word in capfd.readouterr().err
