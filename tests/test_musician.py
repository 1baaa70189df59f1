from dataclasses import replace

import pytest

from improv.beat import Grid
from improv.events import ControlChange, NoteOff, NoteOn
from improv.listen.phrase import Silence
from improv.musician import Manner, Musician
from improv.play.modes import Leaving
from improv.predict.engines import engine_of
from improv.predict.weights import find, load
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


def steered(player: Musician, at: float, **changes) -> Leaving:
    return player.steer(at, replace(player.controls, **changes))


def test_whoever_listens_or_is_muted_plays_nothing_and_answers_again_afterwards():
    player = musician()
    play(player, 60, 64, 67)
    assert steered(player, 0.8, mode="listen") is Leaving.DROP
    assert player.cue(0.9) is None
    steered(player, 0.8, mode="answer")
    assert player.cue(0.9) is not None  # the phrase is not over yet
    assert steered(player, 0.85, mute=True) is Leaving.DROP
    assert player.cue(0.9) is None
    steered(player, 5.0, mute=False)
    assert player.cue(5.1) is None  # that phrase had its moment
    play(player, 71, 72, start=6.0)
    assert player.cue(6.3).start == pytest.approx(6.0 + 0.25 + 0.2 + 0.5)


def test_the_machine_listens_to_one_side_of_the_split():
    player = musician()
    steered(player, 0.0, split=60, split_side="above")
    play(player, 40, 45, 50)
    assert player.call is None
    play(player, 60, 64)
    assert player.call.notes == 2
    steered(player, 1.0, split_side="below")
    assert player.hears == (0, 59)


def test_a_pedal_holds_the_turn_until_it_comes_up():
    player = musician()
    play(player, 60, 64, 67)
    player.hold(0.8, down=True)
    assert player.cue(2.0) is None
    play(player, 72, start=3.0)
    assert player.call.notes == 4  # it is one phrase
    player.hold(5.0, down=False)
    assert player.cue(5.0).start == 5.0


def test_a_stream_goes_on_from_what_both_have_played():
    player = musician()
    steered(player, 0.0, mode="solo")
    play(player, 60, 64, 67)
    opening = player.cue(0.8)
    question = player.ask(opening, None)
    answer = player.answer(0.8)
    assert question.heard[-1].pitch == 67
    player.accepted(7, 0.9, opening, answer, opening.start)
    assert player.cue(0.9).number == opening.number  # not begun: it may be written anew
    part = player.cue(opening.start + 0.1)
    assert (part.joins, part.start) == (True, opening.start + opening.length)
    pitches = [note.pitch for note in player.ask(part, None).heard]
    assert pitches[:3] == [60, 64, 67]
    assert pitches[3:] == [note.pitch for note in answer.notes if note.onset < opening.length]
    player.over(7, opening.start + 0.2)
    assert player.cue(opening.start + 0.3) is None


def test_a_solo_that_was_dropped_before_it_began_is_played_when_the_phrase_has_ended():
    player = musician()
    steered(player, 0.0, mode="solo")
    play(player, 60, 64)
    opening = player.cue(0.5)
    player.accepted(1, 0.5, opening, player.answer(0.5), opening.start)
    play(player, 67, start=0.6)
    player.over(1, 0.6)
    assert player.cue(0.9).start == pytest.approx(0.6 + 0.2 + 0.5)


def test_a_duet_keeps_to_the_side_with_more_room():
    player = musician()
    steered(player, 0.0, mode="duet")
    play(player, 40, 43, 47, 40)
    assert player.ask(player.cue(1.0), None).brief.taste.lowest > 43
    high = musician()
    steered(high, 0.0, mode="duet")
    play(high, 90, 93, 97, 90)
    assert high.ask(high.cue(1.0), None).brief.taste.highest < 93


def test_with_a_beat_the_answer_begins_on_it_and_ends_with_it():
    player = musician()
    player.beat(Grid(0.0, 0.0, 0.5))
    play(player, 60, 64, 67, 71)
    cue = player.cue(1.0)
    assert cue.start == 1.5  # the phrase ends at 1.45
    answer = player.answer(1.0)
    assert answer.notes[0].onset == 0.0
    assert answer.length <= cue.length + 1e-6
    assert cue.length % 0.5 == pytest.approx(0)


def test_a_beat_that_hardly_moves_is_no_news_and_one_that_jumps_is():
    player = musician()
    player.beat(Grid(0.0, 0.0, 0.5))
    before = player.news
    player.beat(Grid(0.001, 0.0, 0.5))
    assert player.news == before
    player.beat(Grid(0.2, 0.0, 0.5))
    assert player.news > before


def test_pitches_outside_the_key_are_weighed_down_and_what_was_just_played_is_not():
    player = musician()
    steered(player, 0.0, key="C major", key_strength=1.0)
    play(player, 61, 64, 67)
    bias = player.ask(player.cue(1.0), None).brief.taste.bias
    assert bias[6] < 0
    assert bias[0] == bias[1] == 0  # C is in the key, C# was played
    steered(player, 1.0, key="none")
    assert player.ask(player.cue(1.0), None).brief.taste.bias is None


def test_it_remembers_and_forgets_what_the_player_did():
    player = musician()
    play(player, 60, 62, 64)
    play(player, 65, 67, 69, start=5.0)
    player.learn()
    assert (len(player.memory), player.memory.phrases) == (5, 2)  # the last note sounds still, for all it knows
    player.forget(9.0, everything=False)
    assert len(player.memory) == 3
    player.forget(9.0, everything=True)
    assert len(player.memory) == 0


def test_what_is_played_while_it_is_frozen_is_not_remembered():
    player = musician()
    play(player, 60, 62, 64)
    steered(player, 1.0, freeze=True)
    play(player, 70, 71, 72, start=5.0)
    steered(player, 7.0, freeze=False)
    play(player, 60, 62, start=10.0)
    player.learn()
    kept = player.memory.kept()
    assert kept.pitches.tolist() == [60, 62, 64, 60]


def test_the_best_of_several_answers_is_named_with_their_number():
    engine = engine_of(load(find("lstm")))
    player = Musician(engine, MANNER, seed=1)
    play(player, 60, 64, 67, 64, 60)
    cue = player.cue(2.0)
    found = [written for written in player.thinking(player.ask(cue, None), 4) if written is not None]
    assert [written.count for written in found] == [1, 4]
    assert player.written(cue) == found[-1]


def test_a_style_can_be_chosen_while_playing():
    weights = load(find("lstm"))
    player = Musician(engine_of(weights), MANNER, seed=1)
    play(player, 60, 64, 67)
    plain = player.answer()
    steered(player, 0.9, style=weights.card.styles[0])
    assert player.answer() != plain


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


def test_a_solo_joins_a_duet_in_the_middle_of_a_phrase():
    player = musician()
    steered(player, 0.0, mode="duet")
    play(player, 60, 62, 64, 65)
    part = player.cue(0.9)
    player.accepted(1, 0.9, part, player.answer(0.9), part.start)
    assert steered(player, 1.0, mode="solo") is Leaving.DROP
    player.over_all(1.001)  # the ports process says that nothing more begins
    assert player.cue(1.1) is not None


def test_a_pedal_that_was_down_before_the_phrase_holds_it():
    player = musician()
    play(player, 60, 62)
    player.hold(5.0, down=True)
    play(player, 64, start=6.0)
    play(player, 65, start=9.0)
    assert player.call.notes == 2
    player.hold(12.0, down=False)
    assert player.cue(12.0).start == 12.0


def test_a_song_that_loops_does_not_stop_a_trade():
    player = musician()
    steered(player, 0.0, mode="trade", trade_bars=1)
    player.beat(Grid(0.0, 400.0, 0.5))
    play(player, 60, 62)
    player.begin_trade(404.0)
    before = player.cue(1.0).start
    player.beat(Grid(1.0, 2.0, 0.5))
    assert player.cue(1.0).start == pytest.approx(before)
    player.beat(None)
    assert not player.trades


def test_what_nobody_asks_for_is_learned_a_little_at_a_time():
    player = musician()
    play(player, *range(40, 80))
    behind = player.behind
    player.learn(16)
    assert (player.behind, len(player.memory)) == (behind - 16, 15)  # one of them says that a phrase begins
