import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from improv.control.table import ACTIONS, table
from improv.control.values import changed, wish
from improv.errors import UsageError
from improv.settings import Controls

STYLES = ("bebop", "swing")
ROWS = table(STYLES)
SET = [name for name in ROWS if name not in ACTIONS]
FREE = {*range(20, 32), *range(85, 88), 89, 90, *range(102, 120)}

names = st.sampled_from(SET)
positions = st.integers(0, 127)


def test_every_control_and_action_has_a_controller_of_its_own_that_midi_leaves_free():
    assert [row.name for row in ROWS.values()] == list(ROWS)
    assert list(ROWS) == [*(field.name for field in dataclasses.fields(Controls)), *ACTIONS]
    controls = [row.cc for row in ROWS.values()]
    assert len(set(controls)) == len(controls)
    assert set(controls) <= FREE


@given(names, positions)
def test_whatever_position_a_knob_has_its_value_is_a_right_one(name, position):
    value = ROWS[name].from_cc(position)
    wide = Controls(lowest=0, highest=127)
    assert getattr(changed(wide, name, value, STYLES), name) == value


@given(names, positions)
def test_a_position_comes_back_or_stands_for_the_same_value(name, position):
    row = ROWS[name]
    back = row.to_cc(row.from_cc(position))
    assert row.from_cc(back) == row.from_cc(position)
    if not row.choices:
        assert abs(back - position) <= 1


@pytest.mark.parametrize("name", SET)
def test_a_knob_reaches_every_choice_and_both_ends_and_never_goes_back(name):
    row = ROWS[name]
    values = [row.from_cc(position) for position in range(128)]
    if row.choices:
        order = [None, *row.choices] if row.optional else list(row.choices)
        places = [order.index(value) for value in values]
        left_out = {0} if row.optional else set()  # its position stands for none
        assert {value for value in order if value not in values} == left_out
    else:
        places = values
        assert (values[0], values[-1]) == (row.low, row.high)
    assert places == sorted(places)


def test_what_has_a_middle_has_it_at_64():
    middles = {name: ROWS[name].from_cc(64) for name in ("density", "level", "transpose", "key_strength", "memory")}
    assert middles == {"density": 1, "level": 1, "transpose": 0, "key_strength": 0.5, "memory": 0.5}


def test_switches_are_on_from_64():
    assert [ROWS["mute"].from_cc(position) for position in (0, 63, 64, 127)] == [False, False, True, True]


def test_styles_are_those_of_the_model():
    assert [row.choices for row in (table()["style"], ROWS["style"])] == [(None,), (None, "bebop", "swing")]


@pytest.mark.parametrize(
    ("name", "value", "refusal"),
    [
        ("temperature", 9, "controls.temperature: 9 is not a number from 0.05 to 4"),
        ("temperature", "warm", 'controls.temperature: "warm" is not a number from 0.05 to 4'),
        ("temperature", "nan", "controls.temperature: NaN is not a number from 0.05 to 4"),
        ("temperature", 10**400, "controls.temperature: 1"),
        ("temperature", None, "controls.temperature: null is not a number from 0.05 to 4"),
        ("mute", 1, "controls.mute: 1 is not true or false"),
        ("mode", "duett", 'controls.mode: "duett" is not one of answer, duet, trade, solo, listen; did you mean duet?'),
        ("lowest", 101, "controls.lowest: 101 is more than controls.highest, which is 100"),
        ("highest", "27", "controls.highest: 27 is less than controls.lowest, which is 28"),
        ("split", 128, "controls.split: 128 is not a whole number from 0 to 127, or null"),
        ("style", "polka", 'controls.style: "polka" is not one of bebop, swing, or null'),
        ("style", 3, "controls.style: 3 is not text, or null"),
        ("temprature", 1, "temprature: unknown control, did you mean temperature?"),
        ("panic", 1, "panic is done, not set: it takes no value"),
    ],
)
def test_a_wrong_value_is_refused_in_the_words_of_the_file(name, value, refusal):
    with pytest.raises(UsageError) as raised:
        changed(Controls(), name, value, STYLES)
    assert str(raised.value).startswith(refusal)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("temperature", "1.2", 1.2),
        ("temperature", "2", 2.0),
        ("lowest", "40", 40),
        ("mute", "true", True),
        ("mute", "Off", False),
        ("key", "a minor", "A minor"),
        ("key", "none", "none"),
        ("split", "null", None),
        ("split", "60", 60),
        ("style", "none", None),
        ("style", "swing", "swing"),
        ("mode", "Duet", "duet"),
    ],
)
def test_text_stands_for_a_value_of_the_controls_type(name, text, value):
    after = getattr(changed(Controls(), name, text, STYLES), name)
    assert (type(after), after) == (type(value), value)


@pytest.mark.parametrize(
    ("name", "value", "refusal"),
    [
        ("panik", None, "panik: unknown control, did you mean panic?"),
        ("panic", "now", "panic is done, not set: it takes no value"),
        ("temperature", None, "temperature: which value? For example: improv set temperature 1.0"),
        ("temperature", "9", "controls.temperature: 9 is not a number from 0.05 to 4"),
    ],
)
def test_a_wrong_wish_is_refused_before_it_is_sent(name, value, refusal):
    with pytest.raises(UsageError) as raised:
        wish(name, value)
    assert str(raised.value) == refusal


def test_a_wish_is_sent_as_what_it_means():
    assert [wish("panic"), wish("mute", "on"), wish("split", "null")] == [None, True, None]
    with pytest.raises(UsageError, match="the model has no styles to choose from"):
        wish("style", "polka", ())


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.binary(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3) | st.tuples(), inner, max_size=3),
    max_leaves=4,
)


@given(st.sampled_from(list(ROWS)) | st.text(max_size=9), anything)
def test_no_value_does_worse_than_a_line_of_refusal(name, value):
    try:
        after = changed(Controls(), name, value, STYLES)
    except UsageError as error:
        assert "\n" not in str(error)
    else:
        json.dumps(dataclasses.asdict(after))
