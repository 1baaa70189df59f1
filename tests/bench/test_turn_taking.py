import json
import shutil

import pytest

from improv import bench
from improv.bench.figures import Verdict
from improv.bench.turn_answers import Stage, rows
from improv.bench.turn_figures import lines, together
from improv.bench.turn_taking import ADAPTIVE, FIXED_S, NAMES, Corpus, Played, Taken, chosen, play
from improv.errors import CorpusError
from improv.events import Note
from improv.musician import Manner, Musician
from improv.play.gate import Gate, Policy
from improv.sessions.performance import DEMO, Cut, Performance, calls
from tests.parrot import Parrot


def performance(*onsets: float, lasts: float = 0.2) -> Performance:
    return Performance(tuple(Note(60 + place % 12, 80, onset, lasts) for place, onset in enumerate(onsets)))


def melody(rests: dict[int, float], notes: int = 16, step: float = 0.3) -> Performance:
    """Notes a step apart, and after some of them a rest (seconds of silence)."""
    onsets, at = [], 0.0
    for place in range(notes):
        onsets.append(at)
        at += rests[place] + 0.2 if place in rests else step
    return performance(*onsets)


def taken(played: Played) -> dict[str, Taken]:
    return dict(zip(NAMES, played.taken, strict=True))


def test_a_rest_within_a_call_is_a_false_takeover_of_every_threshold_that_is_no_longer():
    phrases = calls(melody({4: 0.75}), Cut(shortest=60, longest=90))
    assert len(phrases) == 1
    found = taken(play(phrases, Manner()))
    assert {name: turns.takeovers for name, turns in found.items() if name != ADAPTIVE} == {
        f"{seconds:.1f} s": int(seconds <= 0.75) for seconds in FIXED_S
    }


def test_dead_air_is_from_the_last_release_to_the_answer():
    phrases = calls(melody({7: 4.0}))
    assert len(phrases) == 2
    for name, turns in taken(play(phrases, Manner())).items():
        if name != ADAPTIVE:
            assert turns.dead_air == pytest.approx([float(name.removesuffix(" s"))] * 2)
        assert turns.takeovers == 0


def test_no_phrase_is_as_long_as_its_pause():
    # The next call comes late enough to be a phrase of its own, however patient the listener.
    phrases = calls(performance(0.0, 2.0, 4.0, 6.0, 8.0, lasts=0.05))
    assert len(phrases) == 5
    assert all(turns.takeovers == 0 for turns in play(phrases, Manner()).taken)


def test_files_are_chosen_from_all_over():
    assert chosen("abcdefghij", 3) == ["a", "d", "g"]
    assert chosen("ab", 3) == ["a", "b"]


def corpus(adaptive: tuple[int, float]) -> Corpus:
    """Files of 100 calls, where a fixed threshold cuts in ever less often; the adaptive one as told."""
    fixed = [Taken(round(40 / seconds), (seconds,) * 100) for seconds in FIXED_S]
    return Corpus("files", tuple(Played(600.0, (Taken(adaptive[0], (adaptive[1],) * 100), *fixed)) for _ in range(5)))


def test_a_threshold_that_is_sooner_and_cuts_in_less_often_beats_all_fixed_ones():
    found = together([corpus((10, 0.3))])
    assert {row.verdict for row in found} == {Verdict.MET}
    none, air, takeovers, *_ = found
    assert none.values == {"here": 0.0, "most": 0.0}
    # 20 takeovers and fewer are those of 2 seconds; 0.3 seconds are those of 133 takeovers.
    assert air.values["mean"] == pytest.approx(1.7)
    assert takeovers.values["mean"] == pytest.approx(1.23)


def test_a_fixed_threshold_under_the_name_of_an_adaptive_one_beats_nothing():
    fixed = Taken(40, (1.0,) * 100)
    found = together([corpus((fixed.takeovers + 1, 1.0))])
    assert {row.verdict for row in found} == {Verdict.MISSED}
    assert found[0].values["here"] == 1.0
    assert found[1].values["mean"] < 0
    assert found[2].values["mean"] == pytest.approx(-0.01)


def test_lines_count_takeovers_a_call_and_a_minute():
    line = lines(corpus((10, 0.3)))[0]
    assert (line.name, line.per_call, line.per_minute, line.mean) == (ADAPTIVE, 0.1, 1.0, pytest.approx(0.3))


def staged(wait: float, fade: float = 0.15, count: int = 4) -> Stage:
    """A stage on which the answers take `wait` seconds to write."""
    clock = iter(range(1000))
    stage = Stage(Musician(Parrot(), Manner(), 1), Gate(Policy(fade=fade)), lambda: wait * next(clock))
    stage.play(calls(melody(dict.fromkeys(range(7, 64, 8), 2.0), 8 * count)))
    return stage


def test_answers_that_lie_ready_are_in_time_and_as_old_as_the_silence():
    seen = staged(0.05).seen
    assert seen.others == 0
    assert seen.in_time > 4 * 4
    assert len(seen.ages) == 4
    assert all(0.4 <= age <= 1.5 for age in seen.ages)


def test_answers_that_take_longer_than_the_silence_are_not_in_time():
    seen = staged(2.0).seen
    assert seen.in_time == 0
    assert seen.others > 4 * 4
    assert all(age >= 2.0 for age in seen.ages)


def test_a_player_who_plays_into_an_answer_is_given_way_within_the_fade():
    seen = staged(0.05, fade=0.1).seen
    assert len(seen.yields) >= 1
    assert 0 < max(seen.yields) <= 0.1 + 1e-9
    assert rows(seen, 100.0)[-1].verdict is Verdict.MET


def test_the_report_is_shown_and_written(tmp_path):
    shutil.copy(DEMO, tmp_path)
    shown, said = [], []
    report = tmp_path / "report.json"
    assert bench.run_turn_taking(report, shown.append, said.append, [tmp_path], 2, "tutorial") == 0
    written = json.loads(report.read_text())
    assert [line["name"] for line in written["thresholds"][tmp_path.name]] == list(NAMES)
    assert len(written["figures"]) == 11
    assert len(shown) == 2


def test_a_folder_without_music_is_refused(tmp_path):
    (tmp_path / "a.mid").write_bytes(b"no music")
    with pytest.raises(CorpusError, match="none of its MIDI files"):
        bench.run_turn_taking(None, lambda _: None, lambda _: None, [tmp_path], 2, "tutorial")
