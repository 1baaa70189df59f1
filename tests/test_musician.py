from dataclasses import replace

import pytest

from improv.beat import Grid
from improv.events import ControlChange, NoteOff, NoteOn
from improv.listen.phrase import Silence
from improv.musician import Manner, Musician
from improv.settings import Controls
from tests.parrot import UP, Parrot

MANNER = Manner(silence=Silence(fixed=0.5), end_control=67)


def musician(manner: Manner = MANNER) -> Musician:
    return Musician(Parrot(), manner, seed=1)


def play(player: Musician, *pitches: int, start: float = 0.0, step: float = 0.25, velocity: int = 80) -> None:
    """Play a line, each note released before the next."""
    for place, pitch in enumerate(pitches):
        player.feed(start + place * step, "in", NoteOn(pitch, velocity))
        player.feed(start + place * step + 0.2, "in", NoteOff(pitch))


def test_it_never_plays_before_the_human_has():
    player = musician()
    player.feed(0.0, "in", ControlChange(67, 127))
    assert (player.deadline, player.call, player.answer()) == (None, None, None)


def test_it_answers_what_it_heard_when_the_phrase_has_ended():
    player = musician()
    play(player, 60, 62, 64, 65, 67)
    assert player.deadline == pytest.approx(1.0 + 0.2 + 0.5)
    assert [note.pitch for note in player.answer().notes][:5] == [pitch + UP for pitch in (60, 62, 64, 65, 67)]


def test_the_same_call_has_the_same_answer_and_it_is_written_once():
    one, two = musician(), musician()
    for player in (one, two):
        play(player, 60, 64, 67)
    assert one.answer() == two.answer()
    assert one.answer() is one.answer()


def test_a_note_more_is_another_answer():
    player = musician()
    play(player, 60, 64, 67)
    before = player.answer()
    play(player, 71, start=1.0)
    assert player.answer().revision > before.revision


def test_the_answer_of_another_engine_to_the_same_question_takes_the_place_of_our_own():
    player = musician()
    assert player.cue(0.0) is None
    play(player, 60, 64, 67)
    cue = player.cue(1.0)
    question = player.ask(cue, None)
    ours = player.answer()
    theirs = replace(ours, notes=ours.notes[:1])
    assert player.fits(theirs, cue)
    player.take(question, theirs)
    assert player.answer() is theirs
    play(player, 71, start=1.0)
    assert not player.fits(theirs, cue)
    assert player.written(cue) is None
    assert player.answer() is not theirs


def test_thinking_gives_way_after_every_note():
    player = musician()
    play(player, 60, 62, 64, 65, 67)
    steps = list(player.thinking(player.ask(player.cue(2.0), None)))
    assert steps[:-1] == [None] * (len(steps) - 1)
    assert len(steps) == 1 + len(steps[-1].answer.notes)


def test_a_pedal_ends_the_phrase_and_the_answer_that_lay_ready_is_given():
    player = musician()
    play(player, 60, 64, 67)
    ready = player.answer()
    player.feed(0.8, "in", ControlChange(67, 127))
    assert player.deadline == 0.8
    assert player.answer() is ready


def test_ghost_notes_are_no_phrase():
    player = musician()
    play(player, 60, 62, velocity=5, start=0.0)
    player.settle(10.0)
    assert player.call is not None  # held 0.2 s: soft, but meant
    light = musician()
    light.feed(0.0, "in", NoteOn(60, 5))
    light.feed(0.03, "in", NoteOff(60))
    assert light.call is None


def test_the_held_notes_of_a_lost_port_end():
    player = musician()
    player.feed(0.0, "in", NoteOn(60, 80))
    assert player.holding
    player.release_all(1.0)
    assert not player.holding
    assert player.deadline == 1.5


def test_a_stream_goes_on_at_its_own_beat_when_the_tempo_moves():
    player = musician(Manner(silence=Silence(fixed=0.5), controls=Controls(mode="solo")))
    grid = Grid(at=0.0, beat=0.0, period=0.5)
    player.beat(grid)
    play(player, 60, 62, 64)
    cue = player.cue(1.0)
    player.accepted(1, 1.0, cue, player.answer(1.0), cue.start)
    end = grid.beat_at(cue.start + cue.length)
    for number in range(1, 20):
        at = 1.0 + number / 20
        grid = Grid(at, grid.beat_at(at), grid.period * 1.01)
        player.beat(grid)
        assert grid.beat_at(player.scene(grid.time_at(end - 1)).until) == pytest.approx(end)
    # The song goes back by 64 beats: what is planned stays when it was.
    before = grid.time_at(end - 1)
    until = player.scene(before).until
    player.beat(replace(grid, beat=grid.beat - 64))
    assert player.scene(before).until == pytest.approx(until)
