import dataclasses
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from improv.control.bindings import Binding
from improv.control.surface import LEARN_S, NEAR, Act, Hold, Learned, Recall, Set, Surface, Unknown
from improv.control.table import ACTIONS, table
from improv.control.values import applied, changed, preset_of
from improv.errors import UsageError
from improv.events import ControlChange, Event, NoteOn, ProgramChange
from improv.settings import Controls, Midi, Pedals, Preset

ROWS = table()
TEMPERATURE, DENSITY, MUTE = (ROWS[name].cc for name in ("temperature", "density", "mute"))


class Player:
    """Moves things on a surface; what that sets is set."""

    def __init__(self, surface: Surface | None = None, controls: Controls | None = None) -> None:
        self.surface = surface or Surface()
        self.controls = controls or Controls()

    def move(self, control: int, *positions: int, channel: int = 0, port: str = "nano", at: float = 0.0) -> list:
        return self.send(*(ControlChange(control, position, channel) for position in positions), port=port, at=at)

    def send(self, *events: Event, port: str = "nano", at: float = 0.0) -> list:
        requests = []
        for event in events:
            request = self.surface.feed(at, port, event, self.controls)
            if isinstance(request, Set):
                self.controls = changed(self.controls, request.name, request.value)
            if request is not None:
                requests.append(request)
        return requests


def test_a_knob_takes_effect_once_it_has_come_to_the_present_value():
    player = Player(controls=Controls(density=1.0))  # at position 64
    assert player.move(DENSITY, 10, 30, 50, 58) == []
    assert player.move(DENSITY, 62, 70) == [Set("density", ROWS["density"].from_cc(62)), Set("density", 1.14)]
    assert player.controls.density == ROWS["density"].from_cc(70)


def test_a_knob_that_passes_the_present_value_takes_effect():
    player = Player(controls=Controls(density=1.0))
    assert player.move(DENSITY, 10, 100) == [Set("density", ROWS["density"].from_cc(100))]


def test_after_a_change_from_elsewhere_a_knob_must_come_to_the_new_value():
    player = Player(controls=Controls(density=1.0))
    player.move(DENSITY, 64, 70, 80)
    player.controls = changed(player.controls, "density", 0.3)
    assert player.move(DENSITY, 82, 84, 70) == []
    assert player.controls.density == 0.3
    assert player.move(DENSITY, 30, 10, 20)[-1] == Set("density", ROWS["density"].from_cc(20))


def test_a_knob_at_rest_that_flickers_leaves_other_doors_alone():
    player = Player(controls=Controls(density=1.0))
    player.move(DENSITY, 64, 70, 80)
    near = ROWS["density"].from_cc(81)
    player.controls = changed(player.controls, "density", near)
    assert player.move(DENSITY, *[81, 80, 79, 80] * 50) == []
    assert player.controls.density == near


def test_a_knob_in_use_that_flickers_moves_once():
    player = Player(controls=Controls(density=1.0))
    player.move(DENSITY, 64, 70)
    assert len(player.move(DENSITY, *[71, 70] * 50)) == 1


def test_a_knob_moved_slowly_gets_everywhere():
    player = Player(controls=Controls(density=1.0))
    player.move(DENSITY, *range(60, 128))
    assert player.controls.density == 4
    player.move(DENSITY, *range(126, -1, -1))
    assert player.controls.density == 0.25


def test_automation_may_jump():
    player = Player(Surface(Midi(takeover="jump")))
    assert player.move(ROWS["mode"].cc, 127, 0, 40) == [
        Set("mode", "listen"),
        Set("mode", "answer"),
        Set("mode", "duet"),
    ]


def test_a_choice_is_picked_up_too():
    player = Player()
    assert player.move(ROWS["mode"].cc, 100, 110) == []
    assert player.move(ROWS["mode"].cc, 20, 60) == [Set("mode", "trade")]


def test_the_lowest_pitch_stops_at_the_highest():
    player = Player(controls=Controls(lowest=50, highest=60))
    assert player.move(ROWS["lowest"].cc, 50, 127) == [Set("lowest", 60)]
    assert player.move(ROWS["highest"].cc, 60, 10) == []  # as low as it may be
    assert player.controls == Controls(lowest=60, highest=60)
    assert player.move(ROWS["lowest"].cc, 30) == [Set("lowest", 30)]


def test_a_switch_is_on_from_64():
    player = Player()
    assert [request.value for request in player.move(MUTE, 127, 127, 0, 0, 64, 63, 20)] == [True, False, True, False]


def test_a_button_acts_when_it_goes_down():
    player = Player()
    panic = ROWS["panic"].cc
    assert player.move(panic, 0) == []
    assert player.move(panic, 127, 0) == [Act("panic")]
    assert player.move(panic, 10, 64, 65, 90, 127) == [Act("panic")]


def test_a_button_that_sends_no_release_acts_each_time():
    assert Player().move(ROWS["tap"].cc, 127, 127, 127) == [Act("tap")] * 3


def test_controllers_are_heard_on_the_control_channel_only():
    player = Player(Surface(Midi(channel=16), programs=[1]))
    assert player.move(MUTE, 127, channel=0) == []
    assert player.move(MUTE, 127, channel=15) == [Set("mute", True)]
    assert player.send(ProgramChange(0, 0), ProgramChange(0, 15)) == [Recall(1)]


def test_a_program_that_has_no_preset_is_told_of_once():
    player = Player(Surface(programs=[1, 128]))
    assert player.send(*map(ProgramChange, (0, 127, 5, 5, 5))) == [Recall(1), Recall(128), Unknown(6)]
    assert Player().send(ProgramChange(0)) == []


def test_the_map_of_the_configuration_takes_controllers_from_the_defaults():
    player = Player(Surface(Midi(map=(("mute", TEMPERATURE), ("freeze", None)))))
    assert player.move(TEMPERATURE, 127) == [Set("mute", True)]
    assert player.move(MUTE, 0) == []
    assert player.move(ROWS["freeze"].cc, 127) == []
    assert "temperature" not in player.surface.bindings


def test_the_next_controller_that_moves_is_learned():
    player = Player()
    player.surface.learn("mute", at=1.0)
    assert player.move(74, 127, channel=2, at=2.0) == [Learned("mute", 74, 2)]
    assert player.surface.learning is None
    assert player.move(74, 0, 127, channel=2) == [Set("mute", True)]
    assert player.move(74, 0, channel=3) == []
    assert player.move(MUTE, 0) == []
    assert player.surface.learned == {"mute": Binding(74, 2)}


def test_a_button_that_is_learned_does_not_act_yet():
    player = Player()
    player.surface.learn("panic", at=0.0)
    assert player.move(50, 127, 0, 127) == [Learned("panic", 50, 0), Act("panic")]


def test_who_had_a_learned_controller_loses_it_and_gets_it_back():
    player = Player()
    player.surface.learn("mute", at=0.0)
    player.move(TEMPERATURE, 100)
    assert "temperature" not in player.surface.bindings
    player.surface.learn("mute", at=0.0)
    player.move(74, 100)
    assert player.surface.bindings["temperature"] == Binding(TEMPERATURE)


def test_a_knob_that_flickers_is_not_learned_nor_one_that_has_another_meaning():
    player = Player()
    player.move(74, 60)
    player.surface.learn("density", at=0.0)
    assert player.move(74, 61, 60) == []
    for control in (0, 6, 32, 38, 98, 101, 121):
        assert player.move(control, 100) == []
    assert player.move(1, 9) == [Learned("density", 1, 0)]


def test_a_pedal_is_learned_when_it_is_pressed_twice():
    player = Player()
    player.surface.learn("take_over", at=0.0)
    assert player.move(67, 127, 0) == []
    assert player.move(67, 90) == [Learned("take_over", 67, 0)]
    assert player.move(67, 0, 127) == [Act("take_over")]


def test_learning_gives_up_and_can_be_called_off():
    player = Player()
    player.surface.learn("mute", at=0.0)
    assert player.move(74, 100, at=LEARN_S + 1) == []
    player.surface.learn("mute", at=50.0)
    player.surface.learn(None, at=51.0)
    assert player.move(75, 100, at=52.0) == []
    with pytest.raises(UsageError, match="did you mean mute"):
        player.surface.learn("mtue", at=0.0)


def test_pedals_do_what_they_are_set_to():
    player = Player(Surface(pedals=Pedals(sustain="hold", soft="take_over")))
    assert player.move(64, 10, 70, 127, 63, 0) == [Hold(down=True), Hold(down=False)]
    assert player.move(67, 127, 0) == [Act("take_over")]
    assert player.move(66, 127, 0) == []


def test_the_turn_is_held_until_the_last_pedal_is_up():
    player = Player(Surface(pedals=Pedals(sustain="hold")))
    assert player.move(64, 127) == [Hold(down=True)]
    assert player.move(64, 127, port="other") == []
    assert player.move(64, 0) == []
    assert player.surface.release_all("other") == Hold(down=False)
    assert player.move(64, 127) == [Hold(down=True)]
    assert player.move(121, 0) == [Hold(down=False)]
    assert player.move(64, 127) == [Hold(down=True)]
    assert player.surface.configure(Midi(), Pedals(), ()) == Hold(down=False)


def test_what_steers_is_no_music():
    surface = Surface(pedals=Pedals(sustain="hold", soft="take_over"), programs=[1])
    steers = [ControlChange(MUTE, 1), ControlChange(67, 127), ProgramChange(3)]
    music = [ControlChange(64, 127), ControlChange(1, 3), ControlChange(7, 100), NoteOn(60, 90)]
    assert all(map(surface.is_control, steers))
    assert not any(map(surface.is_control, music))


def test_several_values_change_together_and_others_give_way():
    preset = Preset(2, "High", (("lowest", 90), ("mode", "duet")))
    assert preset_of([preset], 2) is preset
    assert preset_of([preset], 3) is None
    assert applied(Controls(highest=60), preset.values) == Controls(mode="duet", lowest=90, highest=90)
    assert applied(Controls(lowest=60), [("highest", 40)]) == Controls(lowest=40, highest=40)


events = st.one_of(
    st.builds(ControlChange, st.integers(0, 127), st.integers(0, 127), st.integers(0, 2)),
    st.builds(ControlChange, st.sampled_from([row.cc for row in ROWS.values()]), st.integers(0, 127)),
    st.builds(ProgramChange, st.integers(0, 4)),
    st.builds(NoteOn, st.integers(0, 127), st.integers(1, 127)),
)
others = st.one_of(
    st.tuples(st.sampled_from([name for name in ROWS if name not in ACTIONS]), st.integers(0, 127)),
    st.tuples(st.just("learn"), st.none() | st.sampled_from(list(ROWS))),
)


@settings(max_examples=300)
@given(st.lists(events | others, max_size=60))
def test_whatever_comes_in_by_whatever_door_the_controls_are_right(happenings):
    presets = [Preset(1, None, (("lowest", 100),)), Preset(2, None, (("highest", 20), ("mode", "solo")))]
    surface, controls, downs = Surface(pedals=Pedals("hold", "take_over", "hold"), programs=[1, 2]), Controls(), 0
    for at, happening in enumerate(happenings):
        match happening:
            case ("learn", name):
                surface.learn(name, float(at))
            case (name, position):
                value = ROWS[name].from_cc(position)
                try:
                    controls = changed(controls, name, value)
                except UsageError:
                    assert name in {"lowest", "highest"}
            case event:
                match surface.feed(float(at), "nano", event, controls):
                    case Set(name, value):
                        controls = changed(controls, name, value)
                    case Recall(program):
                        controls = applied(controls, preset_of(presets, program).values)
                    case Hold(down):
                        downs += 1 if down else -1
                surface.is_control(event)
        for name, value in dataclasses.asdict(controls).items():
            assert changed(controls, name, value) == controls
        assert downs in {0, 1}
        bound = [(binding.control, binding.channel) for binding in surface.bindings.values()]
        assert len(bound) == len(set(bound))


@given(
    st.sampled_from(["density", "level", "lowest", "transpose", "key"]),
    st.lists(st.tuples(st.booleans(), st.integers(-6, 6), st.integers(0, 127)), max_size=60),
)
def test_a_knob_turned_by_hand_never_jumps(name, moves):
    row, position = ROWS[name], 64
    band = max(1, 128 // len(row.choices)) if row.choices else 1
    surface, controls = Surface(), Controls(highest=127)
    for is_elsewhere, step, other in moves:
        if is_elsewhere:
            controls = changed(controls, name, row.from_cc(other))
            continue
        before, position = position, min(max(position + step, 0), 127)
        request = surface.feed(0.0, "nano", ControlChange(row.cc, position), controls)
        if request is not None:
            # It has come near, passed by, or goes on; flicker that was not counted may add a position.
            gap = abs(row.to_cc(request.value) - row.to_cc(getattr(controls, name)))
            assert gap <= max(NEAR, abs(position - before) + 2) + band
            controls = changed(controls, name, request.value)


def test_a_flood_is_digested():
    surface, controls, draw = Surface(), Controls(), random.Random(1)
    for number in range(20_000):
        event = ControlChange(draw.randrange(128), draw.randrange(128), draw.randrange(16))
        surface.feed(number / 1000, "nano", event, controls)
    assert len(surface._knobs) <= 128 * 16
