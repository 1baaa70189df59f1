"""The whole program, from the command line to the sound: jackd, a player, `improv jam`, fluidsynth."""

import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import mido
import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from improv.clock import now
from improv.events import NoteOff, NoteOn, decode, encode
from improv.ports.link import Sent
from improv.sessions.journal import read
from improv.sessions.records import Restarted
from improv.sessions.replay import engine_of, replay
from tests.live.conftest import Player, Synth
from tests.live.jam import CALL, OTHER, Jam, answer, begin_answer, heard, line, note_ons, open_notes, settle
from tests.live.waiting import wait_until

pytestmark = pytest.mark.live

MODELS = Path(__file__).parents[2] / "models"


def test_call_and_response(start_jam, make_player, tmp_path):
    """With one seed another call has another answer; the same call the same; other weights, another answer."""
    zeroed = tmp_path / "zeroed.safetensors"
    with safe_open(MODELS / "tutorial.safetensors", "numpy") as file:
        metadata = file.metadata()
    tensors = {name: np.zeros_like(tensor) for name, tensor in load_file(MODELS / "tutorial.safetensors").items()}
    save_file(tensors, zeroed, metadata)
    answers, journals = [], []
    for place, (call, model) in enumerate([(CALL, "tutorial"), (OTHER, "tutorial"), (CALL, str(zeroed))]):
        jam = start_jam("--seed", "5", "--model", model)
        player = make_player(f"player-{place}").sit_in()
        answers.append([note.pitch for note in answer(player, call)])
        jam.close()
        player.close()
        journals.append(read(jam.journal))
    first, other, empty = answers
    assert first != other
    assert first != empty
    assert min(map(len, answers)) >= 4
    # No two performances are the same to the microsecond; so the same call is the first one as it was heard.
    again = replay(journals[0], engine_of)
    assert again.is_identical
    assert not again.recalled
    assert [data[1] for _, data in again.sent if data[0] == 0x90] == first


def test_it_is_silent_until_the_human_plays_and_yields_when_he_does(start_jam, player):
    start_jam()
    player.sit_in()
    player.perform(line(CALL))
    wait_until(lambda: note_ons(player), "an answer")
    at = player.perform(line([(0.0, 40), (0.2, 41)]))
    wait_until(lambda: not open_notes(player), "the answer to yield")
    last_on = max(heard for heard, data in player.heard if data[0] == 0x90)
    assert last_on <= at + 0.05 or last_on > at + 0.5  # nothing of the old answer, and the new one after the phrase


def silent(synth: Synth, begin: float, seconds: float = 0.5) -> bool:
    """Whether the synthesizer is silent, sample by sample, for a while from `begin`."""
    wait_until(lambda: synth.end > begin + seconds, "the recording")
    return synth.rms(begin, begin + seconds) == 0.0


def assert_sounds_while_notes_are_held(synth: Synth, player: Player, until: float) -> None:
    """Each 250 ms in which a note of ours was held all the time has sound in it."""
    held: dict[int, int] = {}
    spans, begin = [], 0.0
    for at, data in player.heard:
        before = sum(held.values())
        match decode(data):
            case NoteOn(pitch):
                held[pitch] = held.get(pitch, 0) + 1
            case NoteOff(pitch) if held.get(pitch):
                held[pitch] -= 1
        after = sum(held.values())
        if not before and after:
            begin = at
        if before and not after:
            spans.append((begin, at))
    for start, end in spans:
        for slice_start in np.arange(start + 0.05, min(end, until) - 0.25, 0.25):
            assert synth.rms(slice_start, slice_start + 0.25) > 50


ENDINGS: dict[str, Callable[[Jam], None]] = {
    "SIGTERM": lambda jam: jam.process.terminate(),
    "SIGHUP": lambda jam: jam.process.send_signal(signal.SIGHUP),
    "SIGINT": lambda jam: jam.process.send_signal(signal.SIGINT),
    "SIGINT to the terminal's group": lambda jam: os.killpg(jam.process.pid, signal.SIGINT),
    "kill -9 of the brain": lambda jam: jam.kill("brain"),
    "kill -9 of the supervisor": lambda jam: jam.kill("supervisor"),
    "kill -9 of ports": lambda jam: jam.kill("ports"),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_no_note_hangs_after(ending, start_jam, player, synth):
    jam = start_jam()
    player.sit_in()
    player.connect("improv out:midi", synth.midi)
    begin_answer(player)
    at = now()
    ENDINGS[ending](jam)
    if "kill -9" in ending and "supervisor" not in ending:
        # The jam goes on, with the connections that it had.
        wait_until(lambda: not open_notes(player), "the owed note-offs")
        assert now() - at < 3
        wait_until(lambda: synth.midi in player.connections("improv out:midi"), "the connection to the synthesizer")
        assert silent(synth, at + 3.0)
        assert answer(player, CALL)
    else:
        jam.wait()
        assert silent(synth, at + 2.0)
        assert not open_notes(player)
    assert_sounds_while_notes_are_held(synth, player, at)


def test_no_note_hangs_however_often_and_whenever_it_is_killed(start_jam, player, synth, tmp_path):
    config = tmp_path / "quick.yaml"
    config.write_text("turns:\n  silence_ms: 300\n")
    dice = random.Random(7)
    jam = None
    for victim in (["brain", "ports", "supervisor"] * 7)[:20]:
        if jam is None or jam.process.poll() is not None:
            jam = start_jam("--config", str(config))
            player.sit_in()
            player.connect("improv out:midi", synth.midi)
        wait_until(lambda jam=jam: jam.child("improv.daemon") and jam.child("improv.ports"), "both processes")
        player.perform(line(CALL[:4]))
        deadline = now() + dice.uniform(0.0, 2.0)
        wait_until(lambda deadline=deadline: now() >= deadline, "the moment")
        at = now()
        jam.kill(victim)
        if victim == "supervisor":
            jam.wait()
        wait_until(lambda: not open_notes(player), "the owed note-offs")
        assert now() - at < 3
        # What was killed may be back in time to answer; the organ must be silent 2 s after the last note, whichever.
        settle(player)
        assert silent(synth, max([at, *(heard for heard, _ in player.heard)]) + 2.0, 0.1)
        assert not open_notes(player)


def test_the_jam_goes_on_when_the_jack_server_has_died_and_come_back(start_jam, jackd, make_player):
    jam = start_jam()
    player = make_player().sit_in()
    assert answer(player, CALL)
    jackd.kill()
    wait_until(lambda: "waiting for a JACK server" in jam.text, "improv to notice")
    player.close()
    jackd.start()
    again = make_player("another").sit_in()
    assert answer(again, CALL)
    assert jam.process.poll() is None


def test_the_players_held_notes_end_when_he_is_unplugged_and_he_is_heard_when_he_is_back(start_jam, make_player):
    jam = start_jam()
    player = make_player().sit_in()
    player.play(encode(NoteOn(60, 80)))
    wait_until(lambda: heard(jam), "the note to be heard")
    player.close()
    wait_until(lambda: encode(NoteOff(60))[:2] in {data[:2] for data in heard(jam)}, "the held note to be released")
    again = make_player()
    wait_until(lambda: "improv in:midi" in again.connections("player:out"), "the connection to be restored")
    again.connect("improv out:midi", "player:in")
    assert answer(again, CALL)


def test_a_session_that_was_interrupted_is_exported_and_replayed_byte_for_byte(start_jam, player):
    jam = start_jam()
    player.sit_in()
    answer(player, CALL)
    player.perform(line(OTHER))
    begin_answer(player)
    jam.process.send_signal(signal.SIGINT)
    assert jam.wait() == 130
    again = replay(read(jam.journal), engine_of)
    assert again.is_identical
    assert not again.recalled
    score = mido.MidiFile(jam.journal.with_suffix(".mid"))
    assert score.type == 1
    assert {"set_tempo", "time_signature"} <= {message.type for message in score.tracks[0] if message.time == 0}
    ons = sum(message.type == "note_on" and message.velocity > 0 for track in score.tracks for message in track)
    recorded = read(jam.journal)
    assert ons == sum(data[0] & 0xF0 == 0x90 for data in [*heard(jam), *(sent.data for sent in recorded.of(Sent))])


def test_a_brain_that_was_killed_goes_on_with_its_journal_and_a_jam_that_was_killed_is_exported_at_the_next(
    start_jam, player, tmp_path
):
    jam = start_jam()
    player.sit_in()
    first = answer(player, CALL)
    jam.kill("brain")
    wait_until(lambda: jam.text.count("ready") == 2, "a new brain")
    second = answer(player, CALL)
    assert first
    assert second
    jam.kill("supervisor")
    jam.wait()
    journal = jam.journal
    assert len(list(journal.parent.glob("*.jsonl"))) == 1
    assert sum(isinstance(record, Restarted) for record in read(journal).records) == 1
    shutil.copytree(journal.parent, tmp_path / "again" / "jams")
    start_jam("--record", str(tmp_path / "again" / "jams"))
    wait_until(lambda: (tmp_path / "again" / "jams" / journal.name).with_suffix(".mid").exists(), "the export")


def test_a_second_jam_on_the_same_ports_says_who_has_them(start_jam, jackd, tmp_path):
    jam = start_jam()
    second = subprocess.run(
        [sys.executable, "-m", "improv", "--backend", "jack"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert second.returncode == 1
    assert str(jam.process.pid) in second.stderr
    assert "Traceback" not in second.stderr
    assert not list((tmp_path / "sessions").glob("*"))


@pytest.mark.parametrize("damage", ["missing", "truncated", "wrong shape"])
def test_a_model_that_does_not_fit_is_refused_before_any_port_opens(damage, jackd, make_player, tmp_path):
    model = tmp_path / "model.safetensors"
    if damage == "truncated":
        model.write_bytes((MODELS / "tutorial.safetensors").read_bytes()[:-1000])
    if damage == "wrong shape":
        with safe_open(MODELS / "tutorial.safetensors", "numpy") as file:
            metadata = file.metadata()
        tensors = load_file(MODELS / "tutorial.safetensors")
        name = next(iter(tensors))
        save_file(tensors | {name: np.zeros((3, 3), np.float32)}, model, metadata)
    watcher = make_player("watcher")
    refused = subprocess.run(
        [sys.executable, "-m", "improv", "--backend", "jack", "--model", str(model), "--no-record"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert refused.returncode == 1
    assert "model" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not watcher.connections("improv in:midi")


def test_a_demo_whose_streams_are_closed_is_played_to_its_end(tmp_path):
    command = f"exec {sys.executable} -m improv demo --seconds 5 >&- 2>&-"
    assert subprocess.run(["sh", "-c", command], cwd=tmp_path, check=False, timeout=60).returncode == 0
    assert {path.name for path in (tmp_path / "demo").iterdir()} == {"session.jsonl", "session.mid", "roll.png"}
