from contextlib import suppress
from itertools import pairwise

import mido
import pytest
from hypothesis import given
from hypothesis import strategies as st

from improv.errors import CorpusError
from improv.events import ControlChange, Note, NoteOff, NoteOn, decode
from improv.sessions.performance import DEMO, Cut, Performance, calls, load, with_pauses


def play(*notes: tuple[float, float], pedal: tuple[tuple[float, int], ...] = ()) -> Performance:
    """Return a performance of (onset, duration), each at a pitch of its own."""
    return Performance(tuple(Note(40 + n % 60, 64, onset, length) for n, (onset, length) in enumerate(notes)), pedal)


def save(path, *tracks, **options):
    file = mido.MidiFile(ticks_per_beat=480, **options)
    for track in tracks:
        file.tracks.append(mido.MidiTrack(track))
    file.save(path)
    return path


def on(pitch, time=0, velocity=64, channel=0):
    return mido.Message("note_on", note=pitch, velocity=velocity, channel=channel, time=time)


def test_our_demo_is_a_performance_with_phrases():
    performance = load(DEMO)
    assert len(performance.notes) > 2200
    assert performance.notes[0].onset == 0.0
    assert performance.pedal
    first = calls(performance)[:20]
    assert all(2.5 <= call.length <= 7.5 for call in first)
    assert all(len(call.notes) >= 8 for call in first)
    dynamics = {note.velocity for call in first for note in call.notes}
    assert max(dynamics) - min(dynamics) > 20


def test_tracks_are_merged_drums_and_leading_silence_left_out(tmp_path):
    path = save(
        tmp_path / "two.mid",
        [on(60, 960), on(60, 480, 0)],
        [on(36, 0, channel=9), on(36, 480, 0, channel=9)],
        [on(48, 1200, channel=3), on(48, 240, 0, channel=3)],
    )
    assert load(path).notes == (Note(60, 64, 0.0, 0.5), Note(48, 64, 0.25, 0.25))


def test_two_hands_share_the_keys_and_two_feet_the_pedal(tmp_path):
    def foot(value, time, channel):
        return mido.Message("control_change", control=64, value=value, channel=channel, time=time)

    path = save(
        tmp_path / "hands.mid",
        [on(60), foot(127, 0, 0), on(60, 960, 0), foot(0, 480, 0)],
        [on(60, 480, channel=1), foot(127, 0, 1), on(60, 240, 0, channel=1), foot(0, 0, 1)],
    )
    performance = load(path)
    assert performance.notes == (Note(60, 64, 0.0, 0.5), Note(60, 64, 0.5, 0.25))
    assert performance.pedal == ((0.0, 127), (1.5, 0))


def test_notes_that_never_end_end_with_the_file(tmp_path):
    assert load(save(tmp_path / "a.mid", [on(60), on(62, 480), on(62, 480, 0)])).notes[0].duration == 1.0


@pytest.mark.parametrize(
    "content", [b"", b"MThd", b"RIFF....", b"\x00" * 100, b"MThd\x00\x00\x00\x06\x00\x01\x00\x01\x00\x00"]
)
def test_what_is_no_music_is_a_corpus_error(tmp_path, content):
    path = tmp_path / "broken.mid"
    path.write_bytes(content)
    with pytest.raises(CorpusError, match=r"broken\.mid"):
        load(path)


def test_a_missing_file_a_folder_and_drums_alone_are_corpus_errors(tmp_path):
    drums = save(tmp_path / "drums.mid", [on(36, 0, channel=9), on(36, 480, 0, channel=9)])
    for path in (tmp_path / "none.mid", tmp_path, drums):
        with pytest.raises(CorpusError, match=str(path)):
            load(path)


@given(st.integers(0, 1500), st.binary(min_size=1, max_size=8))
def test_a_damaged_file_is_read_or_refused(tmp_path_factory, place, noise):
    whole = DEMO.read_bytes()[:2000]
    path = tmp_path_factory.mktemp("damaged") / "damaged.mid"
    path.write_bytes(whole[:place] + noise + whole[place + len(noise) :])
    with suppress(CorpusError):
        load(path)


def test_a_call_ends_where_there_is_most_room():
    steady = [(n * 0.5, 0.4) for n in range(40)]
    assert [call.start for call in calls(play(*steady))][:2] == [0.0, 3.0]
    breath = [(onset + (0.6 if n >= 10 else 0), length) for n, (onset, length) in enumerate(steady)]
    first, second = calls(play(*breath))[:2]
    assert (len(first.notes), first.length, second.start) == (10, pytest.approx(4.9), pytest.approx(5.6))


def test_a_rest_ends_a_call_however_short():
    found = calls(play((0.0, 0.5), (0.6, 0.5), (4.0, 0.5), (4.6, 0.5)))
    assert [(call.start, len(call.notes)) for call in found] == [(0.0, 2), (4.0, 2)]


def test_a_note_that_rings_over_the_cut_ends_there():
    found = calls(play((0.0, 60.0), *((n * 0.5, 0.4) for n in range(1, 30))))
    assert found[0].length == found[1].start
    assert [decode(data) for _, data in found[0].events].count(NoteOff(40)) == 1


def test_the_pedal_begins_where_it_stood_and_is_up_at_the_end():
    found = calls(play(*((n * 0.5, 0.25) for n in range(12)), pedal=((1.0, 127), (4.0, 90))), Cut(3.0, 3.0))
    pedals = [
        [(at, event.value) for at, data in call.events if isinstance(event := decode(data), ControlChange)]
        for call in found
    ]
    assert pedals == [[(1.0, 127), (2.75, 0)], [(0.0, 127), (1.0, 90), (2.75, 0)]]


lengths = st.floats(0.01, 20)
performances = st.lists(st.tuples(st.floats(0, 5), lengths), min_size=1, max_size=60).map(
    lambda steps: play(*((sum(step for step, _ in steps[: n + 1]), length) for n, (_, length) in enumerate(steps)))
)


@given(performances, st.lists(st.tuples(st.floats(0, 60), st.integers(0, 127)), max_size=9).map(sorted))
def test_calls_are_the_whole_performance_and_release_everything(performance, pedal):
    found = calls(Performance(performance.notes, tuple(pedal)))
    assert sum(len(call.notes) for call in found) == len(performance.notes)
    for call in found:
        assert call.length < 9
        held, down = set(), 0
        for at, data in call.events:
            assert 0 <= at <= call.length
            match decode(data):
                case NoteOn(pitch):
                    held.add(pitch)
                case NoteOff(pitch):
                    held.remove(pitch)
                case ControlChange(_, value):
                    down = value
        assert (held, down) == (set(), 0)


def test_pauses_leave_time_for_an_answer_and_the_end_comes_in_time():
    found = calls(load(DEMO))
    events = with_pauses(found, 60.0)
    onsets = [at for at, data in events if isinstance(decode(data), NoteOn)]
    assert onsets == sorted(onsets)
    pauses = [after - before for before, after in pairwise(onsets) if after - before > 3.0]
    played = len(pauses) + 1
    assert 3 <= played <= 6
    assert events[-1][0] + found[played - 1].length + 1.5 <= 60.0
    assert with_pauses(found, 0.0) == found[0].events
    assert len(with_pauses(found)) == sum(len(call.events) for call in found)
