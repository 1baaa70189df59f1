"""The musician on stage: modes, knobs, pedals, presets, edits, MIDI clock and the command line, over a real jackd."""

import json
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from statistics import median
from typing import TypeVar

import pytest

from improv.clock import now
from improv.control.table import table
from improv.errors import SessionError
from improv.events import CLOCK, CONTINUE, START, STOP, ControlChange, NoteOff, NoteOn, ProgramChange, encode
from improv.ports.link import Sent, Yielded
from improv.sessions.journal import read
from improv.sessions.records import Beat, Planned, Record, Steered
from tests.live.conftest import Player
from tests.live.jam import CALL, OTHER, Jam, begin_answer, line, note_ons, open_notes, settle
from tests.live.waiting import wait_until

pytestmark = pytest.mark.live

Kind = TypeVar("Kind", bound=Record)
CLICKS = {84, 96}
# What is said to come at once has come by then (seconds); nothing is measured by it.
AT_ONCE = 1.0


def config(folder: Path, text: str) -> str:
    """Write a configuration; return its path."""
    path = folder / "config.yaml"
    path.write_text(text)
    return str(path)


def improv(jam: Jam, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run another `improv` beside the jam."""
    command = [sys.executable, "-m", "improv", *arguments]
    return subprocess.run(command, cwd=jam.folder, capture_output=True, text=True, check=False)


def replays(jam: Jam) -> bool:
    """End the jam, and say whether `improv replay` sends the same again."""
    jam.close()
    again = improv(jam, "replay", str(jam.journal))
    assert again.returncode == 0, again.stderr
    assert "otherwise" not in again.stdout, again.stdout
    return "identical" in again.stdout


def told(jam: Jam, kind: type[Kind]) -> list[Kind]:
    """Return the records of one kind in the journal so far."""
    try:
        return list(read(jam.journal).of(kind))
    except (SessionError, StopIteration):
        return []  # none has been written yet


def steered(jam: Jam, name: str) -> list[object]:
    """Return the values that a control has been given so far."""
    return [value for each in told(jam, Steered) for changed, value in each.changes if changed == name]


def owed(jam: Jam) -> Counter[int]:
    """Return the pitches of ours that sound on, by the journal: a player's client may miss a period, and an event."""
    sent = [each.data for each in told(jam, Sent)]
    begun = Counter(data[1] for data in sent if data[0] & 0xF0 == 0x90)
    return begun - Counter(data[1] for data in sent if data[0] & 0xF0 == 0x80)


def yielded(jam: Jam, since: float) -> bool:
    """Say whether it has yielded since a moment."""
    return any(each.at >= since for each in told(jam, Yielded))


def turn(player: Player, control: int, *positions: int) -> None:
    """Turn a knob, or press and release a button."""
    player.play(*(encode(ControlChange(control, position)) for position in positions))


def begin(player: Player, notes: Iterable[tuple[float, int]]) -> float:
    """Begin to play a melody, and go on while the test does other things; return when its last note ends."""
    start, played = now() + 0.02, line(list(notes))
    player.play_at((start + due, message) for due, message in sorted(played))
    return start + max(due for due, _ in played)


def scale(seconds: float, step: float = 0.25) -> list[tuple[float, int]]:
    """Return notes up and down a scale, one each `step` seconds."""
    pitches = [60, 62, 64, 65, 67, 69, 71, 72, 71, 69, 67, 65, 64, 62]
    return [(place * step, pitches[place % len(pitches)]) for place in range(round(seconds / step))]


def wait_for_time(at: float) -> None:
    """Wait until a moment has come."""
    wait_until(lambda: now() >= at, "the moment")


def assert_silent(player: Player, since: float, until: float) -> None:
    """No note of ours begins between two moments."""
    wait_for_time(until)
    assert not [note for note in note_ons(player, since) if note.pitch not in CLICKS]


# ---- modes ------------------------------------------------------------------------------------------


def test_a_duet_begins_while_the_player_plays_and_is_not_cut_by_it(start_jam, player):
    jam = start_jam("--mode", "duet")
    player.sit_in()
    end = begin(player, scale(5.0))
    wait_until(lambda: note_ons(player), "notes beside the player's")
    assert now() < end - 1.0
    wait_for_time(end)
    settle(player)
    assert len(note_ons(player)) > 3
    assert not told(jam, Yielded)
    assert replays(jam)


def test_a_solo_goes_on_after_the_player_and_ends_when_he_plays(start_jam, player):
    jam = start_jam("--mode", "solo")
    player.sit_in()
    end = begin(player, CALL)
    wait_until(lambda: note_ons(player, end + 3.0), "notes more than 3 s after the player's last")
    back = begin(player, OTHER)
    wait_until(lambda: yielded(jam, end + 1.0), "it to yield")
    wait_until(lambda: not open_notes(player), "silence")
    assert_silent(player, now(), back)
    wait_until(lambda: note_ons(player, back), "another solo")
    assert replays(jam)
    assert not owed(jam)


def test_bars_are_traded_on_the_beat_after_a_count_in(start_jam, player, tmp_path):
    file = config(tmp_path, "controls:\n  mode: listen\n  trade_bars: 1\n")
    jam = start_jam("--config", file, "--tempo", "internal", "--bpm", "240")
    player.sit_in()
    assert improv(jam, "set", "mode", "trade", "--backend", "jack").returncode == 0
    wait_until(lambda: len(note_ons(player)) == 4, "four clicks")
    assert {note.pitch for note in note_ons(player)} == CLICKS
    grid = told(jam, Beat)[-1].grid
    assert grid is not None
    for bar in (0, 2, 4):
        start = grid.time_at(4 * bar)
        player.play_at((start + due, message) for due, message in sorted(line(CALL[:4])))
    wait_for_time(grid.time_at(23))
    turn(player, 111, 127)
    settle(player)
    jam.close()
    ours = [sent for sent in told(jam, Sent) if sent.data[0] & 0xF0 == 0x90 and sent.data[1] not in CLICKS]
    turns = {planned.turn: planned for planned in told(jam, Planned) if planned.engine != "count-in"}
    firsts = {sent.turn: sent for sent in reversed(ours)}
    assert len(firsts) == 3
    for number, first in firsts.items():
        beat = turns[number].beat
        assert beat is not None
        assert round(beat) % 8 == 4  # the second bar of each two is ours
        assert abs(first.at - grid.time_at(round(beat))) < 0.1
    assert all(4 - 0.4 <= grid.beat_at(sent.due) % 8 < 8 for sent in ours)
    assert replays(jam)


def test_modes_are_switched_while_playing_and_leave_no_note(start_jam, player):
    jam = start_jam("--mode", "listen")
    player.sit_in()
    end = begin(player, CALL)
    assert_silent(player, 0.0, end + 1.5)
    row = table()["mode"]
    end = begin(player, scale(5.4))
    modes = ("listen", "solo", "trade", "duet", "answer", "duet", "trade", "solo", "listen", "answer")
    for mode in modes:
        turn(player, row.cc, row.to_cc(mode))
        wait_for_time(now() + 0.5)
    wait_for_time(end)
    assert steered(jam, "mode") == list(modes[1:])
    wait_until(lambda: note_ons(player, end), "an answer")
    settle(player)
    assert replays(jam)
    assert not owed(jam)


# ---- knobs, pedals and presets ------------------------------------------------------------------------


def test_mute_take_over_yield_and_panic(start_jam, player, tmp_path):
    jam = start_jam("--config", config(tmp_path, "turns:\n  silence_ms: 4000\n"))
    player.sit_in()

    def take_over() -> float:
        wait_for_time(begin(player, CALL[:4]))
        turn(player, 110, 127, 0)
        return now()

    def answered() -> None:
        since = take_over()
        wait_until(lambda: open_notes(player), "an answer at once", since + AT_ONCE - now())

    answered()
    turn(player, 111, 127, 0)
    wait_until(lambda: not open_notes(player), "it to yield", AT_ONCE)
    assert_silent(player, now(), now() + 0.7)
    answered()
    turn(player, 108, 127)
    wait_until(lambda: not open_notes(player), "it to be mute", AT_ONCE)
    assert_silent(player, take_over(), now() + 1.0)
    assert steered(jam, "mute") == [True]
    turn(player, 108, 0)
    answered()
    turn(player, 119, 127, 0)
    player.wait_for(encode(ControlChange(123, 0)))
    wait_until(lambda: not open_notes(player), "silence", AT_ONCE)
    assert_silent(player, now(), now() + 0.7)


def test_a_learned_knob_is_kept_and_takes_effect_only_once_it_has_passed_the_value(start_jam, make_player, tmp_path):
    learned = tmp_path / "midi-map.json"
    file = config(tmp_path, f"midi:\n  learned: {learned}\n")
    jam = start_jam("--config", file)
    player = make_player().sit_in()
    assert improv(jam, "learn", "temperature", "--config", file, "--backend", "jack").returncode == 0
    wait_until(lambda: "learn  temperature" in jam.text, "it to wait for a knob")
    turn(player, 74, 20)
    wait_until(lambda: "learned temperature: controller 74" in jam.text, "the knob to be learned")
    wait_until(learned.exists, "what was learned to be kept")
    assert json.loads(learned.read_text()) == {"temperature": {"control": 74, "channel": 1}}
    row = table()["temperature"]
    turn(player, 74, 30, 50, 70, 95)  # temperature 1 is in between
    wait_until(lambda: steered(jam, "temperature"), "the temperature to change")
    assert steered(jam, "temperature") == [row.from_cc(95)]
    jam.close()
    player.close()
    jam = start_jam("--config", file)
    player = make_player("again").sit_in()
    turn(player, 74, row.to_cc(1.0), 60)
    wait_until(lambda: row.from_cc(60) in steered(jam, "temperature"), "the temperature to change")


def test_a_preset_is_recalled_at_once_in_free_time_and_else_at_the_bar(start_jam, player, tmp_path):
    presets = "presets:\n  1:\n    temperature: 0.5\n  2:\n    name: wild\n    temperature: 2\n    level: 0.5\n"
    file = config(tmp_path, presets + "controls:\n  tempo: free\n  mode: solo\n")
    jam = start_jam("--config", file, "--bpm", "120")
    player.sit_in()
    begin_answer(player)
    at = player.play(encode(ProgramChange(0)))
    wait_until(lambda: steered(jam, "temperature"), "the preset")
    assert told(jam, Steered)[-1].at - at < AT_ONCE
    assert improv(jam, "set", "tempo", "internal", "--backend", "jack").returncode == 0
    wait_for_time(begin(player, CALL[:4]))
    grid = wait_until(lambda: next((beat.grid for beat in told(jam, Beat) if beat.grid), None), "a beat")
    wait_for_time(grid.time_at(grid.next(now(), 4.0) + 1))
    at = player.play(encode(ProgramChange(1)))
    wait_until(lambda: len(steered(jam, "temperature")) == 2, "the preset")
    recalled = told(jam, Steered)[-1]
    assert recalled.changes == (("temperature", 2.0), ("level", 0.5))
    assert recalled.at > at + 1.0
    assert 0.0 <= recalled.at - grid.time_at(round(grid.beat_at(recalled.at) / 4) * 4) < 0.1
    assert "preset 2: wild" in jam.text
    assert replays(jam)
    assert not owed(jam)


def test_one_pedal_holds_the_turn_and_another_hands_it_over(start_jam, player, tmp_path):
    file = config(tmp_path, "turns:\n  silence_ms: 1200\npedals:\n  sustain: hold\n  soft: take_over\n")
    start_jam("--config", file)
    player.sit_in()
    turn(player, 64, 127)
    end = begin(player, CALL[:4])
    assert_silent(player, 0.0, end + 2.5)
    turn(player, 64, 0)
    wait_until(lambda: note_ons(player), "the answer to what was held")
    end = begin(player, CALL[:4])
    wait_for_time(end)
    turn(player, 67, 127)
    wait_until(lambda: note_ons(player, end), "an answer at once", AT_ONCE)
    turn(player, 67, 0)
    settle(player)


def test_the_file_is_edited_while_playing(start_jam, player, tmp_path):
    file = config(tmp_path, "controls:\n  mode: duet\n")
    jam = start_jam("--config", file)
    player.sit_in()
    end = begin(player, scale(8.0))
    config(tmp_path, "controls:\n  mode: duet\n  density: 2\n")
    wait_until(lambda: steered(jam, "density") == [2.0], "the edit")
    config(tmp_path, "controls:\n  mode: duet\n  density: 3\n  tempoo: free\n")
    wait_until(lambda: "config.yaml:4" in jam.text, "the broken line to be named")
    assert "did you mean tempo?" in jam.text
    assert "left alone" in jam.text
    assert steered(jam, "density") == [2.0]
    config(tmp_path, "controls:\n  mode: duet\n  density: 3\n")
    wait_until(lambda: steered(jam, "density") == [2.0, 3.0], "the mended edit")
    assert now() < end + 2.0
    assert jam.process.poll() is None


def test_the_command_line_steers_a_jam_and_says_what_cannot_be(start_jam, monkeypatch):
    jam = start_jam()
    assert improv(jam, "set", "mode", "duet", "--backend", "jack").returncode == 0
    wait_until(lambda: "mode   duet" in jam.text, "the mode to change")
    refused = improv(jam, "set", "temperature", "9", "--backend", "jack")
    assert refused.returncode == 2
    assert refused.stderr == "controls.temperature: 9 is not a number from 0.05 to 4\n"
    assert steered(jam, "temperature") == []
    jam.close()
    alone = tempfile.mkdtemp(prefix="improv-test-", dir="/tmp")  # a socket's path must be short
    monkeypatch.setenv("XDG_RUNTIME_DIR", alone)  # the jams of others are none of ours
    nobody = improv(jam, "set", "mode", "duet", "--backend", "jack")
    shutil.rmtree(alone)
    assert nobody.returncode == 1
    assert nobody.stderr == "improv: no jam is running; start one with: improv jam\n"


def test_what_is_played_below_the_split_is_neither_answered_nor_yielded_to(start_jam, player, tmp_path):
    jam = start_jam("--config", config(tmp_path, "controls:\n  split: 60\nturns:\n  silence_ms: 500\n"))
    player.sit_in()
    end = begin(player, OTHER)
    assert_silent(player, 0.0, end + 1.5)
    begin_answer(player)
    at = now()
    wait_for_time(begin(player, [(0.0, 40)]))
    player.play(encode(NoteOn(72, 80)))
    wait_until(lambda: yielded(jam, at), "it to yield to what is above")
    assert [each.at > at + 0.15 for each in told(jam, Yielded) if each.at >= at] == [True]
    player.play(encode(NoteOff(72)))
    settle(player)


# ---- MIDI clock ---------------------------------------------------------------------------------------


def ticks(start: float, bpm: float, seconds: float) -> list[tuple[float, bytes]]:
    """Return a clock that is at its first beat at `start`."""
    period = 60 / bpm / 24
    return [(start + tick * period, bytes([CLOCK])) for tick in range(round(seconds / period))]


def test_answers_begin_on_the_beat_of_a_clock_that_runs(start_jam, make_player, tmp_path):
    file = config(tmp_path, "controls:\n  tempo: clock\nturns:\n  silence_ms: 400\n")
    start_jam("--config", file)
    player, sequencer = make_player().sit_in(), make_player("sequencer")
    sequencer.connect("sequencer:out", "improv in:midi")
    start, period = now() + 0.2, 0.5
    sequencer.play_at([(start - 0.01, bytes([START])), *ticks(start, 60 / period, 10.0)])
    wait_for_time(start + 1.0)
    errors = []
    for _ in range(4):
        end = begin(player, CALL[:4])
        wait_until(lambda end=end: note_ons(player, end + 0.2), "an answer")
        first = min(at for at, data in player.heard if data[0] & 0xF0 == 0x90 and at > end + 0.2)
        beats = (first - start) / period
        errors.append(abs(beats - round(beats)) * period)
    assert max(errors) < 0.030
    assert median(errors) < 0.015
    settle(player)


def test_a_clock_stops_and_goes_on_elsewhere_in_the_song(start_jam, make_player, tmp_path):
    file = config(tmp_path, "controls:\n  tempo: clock\nturns:\n  silence_ms: 400\n")
    jam = start_jam("--config", file)
    player, sequencer = make_player().sit_in(), make_player("sequencer")
    sequencer.connect("sequencer:out", "improv in:midi")
    start = now() + 0.2
    sequencer.play_at([(start - 0.01, bytes([START])), *ticks(start, 120, 2.0), (start + 2.1, bytes([STOP]))])
    wait_until(lambda: told(jam, Beat), "the beat")
    grid = told(jam, Beat)[-1].grid
    assert grid is not None
    assert abs(grid.time_at(2.0) - (start + 1.0)) < 0.03
    wait_until(lambda: told(jam, Beat)[-1].grid is None, "the beat to stop")
    assert now() > start + 2.0
    begin_answer(player)
    again = now() + 0.2
    place = bytes([0xF2, 42, 0])  # sixteenths: beat 10.5
    sequencer.play_at([(again - 0.02, place), (again - 0.01, bytes([CONTINUE])), *ticks(again, 120, 2.0)])
    wait_until(lambda: told(jam, Beat)[-1].grid is not None, "the beat to go on")
    grid = told(jam, Beat)[-1].grid
    assert grid is not None
    assert abs(grid.time_at(10.5) - again) < 0.03
    settle(player)


def test_a_sequencer_can_follow(start_jam, make_player, tmp_path):
    file = config(tmp_path, "controls:\n  lead: true\n")
    start_jam("--config", file, "--tempo", "internal", "--bpm", "150")
    player, sequencer = make_player().sit_in(), make_player("sequencer")
    sequencer.connect("improv out:midi", "sequencer:in")
    wait_for_time(begin(player, CALL[:4]))
    sequencer.wait_for(bytes([START]))
    start = next(at for at, data in sequencer.heard if data == bytes([START]))
    wait_for_time(start + 4.0)
    beats = [at for at, data in sequencer.heard if data == bytes([CLOCK]) and at > start]
    counted = sum(at <= beats[0] + 3.2 for at in beats) - 1
    assert abs(counted - 8 * 24) <= 1
    settle(player)


# ---- mishaps ------------------------------------------------------------------------------------------


def test_a_brain_that_is_killed_in_a_duet_is_followed_by_one_that_plays_on_in_it(start_jam, player):
    jam = start_jam()
    player.sit_in()
    assert improv(jam, "set", "mode", "duet", "--backend", "jack").returncode == 0
    wait_until(lambda: steered(jam, "mode"), "the mode to change")
    end = begin(player, scale(7.0))
    wait_until(lambda: open_notes(player), "a duet")
    jam.kill("brain")
    wait_until(lambda: not open_notes(player), "the owed note-offs", 3.0)
    wait_until(lambda: jam.text.count("ready") == 2, "a new brain")
    back = now()
    wait_until(lambda: note_ons(player, back), "the duet to go on")
    assert now() < end
    assert not told(jam, Yielded)
    wait_for_time(end)
    settle(player)
    assert replays(jam)
