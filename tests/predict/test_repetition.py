import numpy as np
import pytest

from improv.predict.continuation import continuations
from improv.predict.engine import Taste
from improv.predict.engines import engine_of
from improv.predict.repetition import IN_A_ROW, RUN, STEP_S, LoopGuard
from improv.predict.weights import find, load


def longest_loop(notes):
    """How many notes the longest loop takes up: at least two times its run, or 0."""
    keys = [(int(pitch), round(float(step) / STEP_S)) for pitch, step in notes[:, :2]]
    longest = 0
    for lag in range(1, RUN + 1):
        same = 0
        for at in range(lag, len(keys)):
            same = same + 1 if keys[at] == keys[at - lag] else 0
            longest = max(longest, same + lag if same >= lag else 0)
    return longest


class Stuck:
    """An engine that plays a run of notes for ever, unless it is asked more wildly than usual."""

    info = None

    def __init__(self, run):
        self.run, self.place = run, -1

    def draw(self, state, uniforms, taste):
        if taste.temperature == 1:
            self.place += 1
            pitch = self.run[self.place % len(self.run)]
        else:
            pitch = 20 + 80 * uniforms[0, 0]
        return np.array([[pitch, 0.2, 0.2, 64]], np.float32)


def played(run, count, uniform=0.3):
    guard, engine = LoopGuard(), Stuck(run)
    return np.concatenate(
        [guard.draw(engine, None, np.full((1, 4), uniform, np.float32), Taste()) for _ in range(count)]
    )


@pytest.mark.parametrize("length", range(1, RUN + 1))
def test_a_run_comes_four_times_and_is_broken(length):
    run = [60, 62, 64, 65, 67, 69, 71, 72][:length]
    pitches = played(run, RUN * IN_A_ROW + 1)[:, 0].tolist()
    kept = [run[at % length] for at in range(RUN * IN_A_ROW)]
    assert pitches[:-1] == kept
    assert pitches[-1] != run[RUN * IN_A_ROW % length]


def test_a_longer_run_may_come_again():
    run = list(range(50, 50 + RUN + 1))
    assert played(run, 200)[:, 0].tolist() == [run[at % len(run)] for at in range(200)]


def test_no_loop_is_longer_than_allowed():
    assert longest_loop(played([60, 64, 67], 500)) <= RUN * IN_A_ROW


@pytest.mark.parametrize(
    ("pitches", "longest"),
    [([1, 2, 3], 0), ([5], 0), ([1, 1], 2), ([1, 2, 1, 2, 1], 5), ([9, 1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 7], 10)],
)
def test_the_longest_loop_is_measured(pitches, longest):
    notes = np.array([[pitch, 0.25, 0.1, 64] for pitch in pitches], np.float32)
    assert longest_loop(notes) == longest


def test_another_rhythm_is_no_loop():
    notes = np.array([[60, 0.1 * at, 0.1, 64] for at in range(9)], np.float32)
    assert longest_loop(notes) == 0


def test_a_model_that_is_sure_of_itself_gets_out():
    # So cold that it always plays the likeliest note, and soon goes in circles.
    engine = engine_of(load(find("lstm")))
    prompt = np.array([[60 + 2 * (at % 2), 0.2, 0.2, 70] for at in range(25)], np.float32)
    notes = continuations(engine, prompt, 300, Taste(temperature=0.05), 1, batch=3)
    assert max(longest_loop(each) for each in notes) <= RUN * IN_A_ROW


def test_candidates_are_guarded_apart():
    class Two:
        def draw(self, state, uniforms, taste):
            wild = taste.temperature > 1
            return np.array([[70 if wild else 60, 0.2, 0.2, 64], [state, 0.2, 0.2, 64]], np.float32)

    guard = LoopGuard(2)
    notes = [guard.draw(Two(), at, np.zeros((2, 4), np.float32), Taste()) for at in range(RUN * IN_A_ROW + 1)]
    assert [note[0, 0] for note in notes] == [60] * RUN * IN_A_ROW + [70]
    assert [note[1, 0] for note in notes] == list(range(RUN * IN_A_ROW + 1))


def test_a_guard_keeps_what_its_candidates_have_played():
    class Many:
        def draw(self, state, uniforms, taste):
            wild = taste.temperature > 1
            return np.array([[70 if wild else pitch, 0.2, 0.2, 64] for pitch in state], np.float32)

    guard = LoopGuard(3)
    for at in range(RUN * IN_A_ROW):
        guard.draw(Many(), [at, 60, 20 + at], np.zeros((3, 4), np.float32), Taste())
    guard.keep(np.array([1]))
    assert guard.draw(Many(), [60], np.zeros((1, 4), np.float32), Taste())[0, 0] == 70
