"""The link: what it carries, what it refuses, and when it speaks."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

from components import state, storage

WHOLE = state.Number("layer", 4, "Layer", low=1, high=6, step=1)
DECIMAL = state.Number("temperature", 1.0, "Temperature", low=0.0, high=2.0, step=0.05)
CHOICE = state.Choice("mask", "none", "Mask", options=("none", "causal", "padding"), labels={"none": "No mask"})
FLAG = state.Flag("scaled", True, "Scaled")
TEXT = state.Text("text", "the cat sat", "Sentence")


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("LABS_HOME", str(tmp_path_factory.mktemp("labs-home")))


@given(st.integers(1, 6))
def test_every_whole_number_in_range_survives_the_link(value):
    assert WHOLE.parse(WHOLE.format(value)) == value


@given(st.integers(0, 40))
def test_every_step_of_a_decimal_slider_survives_the_link(step):
    value = round(step * 0.05, 2)
    assert DECIMAL.parse(DECIMAL.format(value)) == value


@pytest.mark.parametrize("value", CHOICE.options)
def test_every_option_survives_the_link(value):
    assert CHOICE.parse(CHOICE.format(value)) == value


@pytest.mark.parametrize("value", [True, False])
def test_a_flag_survives_the_link(value):
    assert FLAG.parse(FLAG.format(value)) is value


@given(st.text(max_size=200) | st.text(alphabet="~0123456789abcdef", max_size=40))
def test_every_text_survives_the_link_even_one_that_looks_like_a_stored_name(value):
    assert TEXT.parse(TEXT.format(value)) == value


@pytest.mark.parametrize("length", [state.MAX_LINK_TEXT, state.MAX_LINK_TEXT + 1, 100_000])
def test_a_long_text_is_stored_and_found_again_and_the_link_stays_short(length):
    value = "ä<b>𝄞 " * (length // 6) + "x" * (length % 6)
    link = TEXT.format(value)
    assert len(link) <= state.MAX_LINK_TEXT
    assert TEXT.parse(link) == value


@pytest.mark.parametrize("param", [WHOLE, DECIMAL, CHOICE, FLAG], ids=lambda param: type(param).__name__ + param.name)
@given(raw=st.text(alphabet=string.printable, max_size=60))
def test_whatever_a_link_says_gives_a_legal_value_or_a_sentence(param, raw):
    sentence = value = None
    try:
        value = param.parse(raw)
    except ValueError as error:
        sentence = str(error)
    if sentence is None:
        assert param.parse(param.format(value)) == value
    else:
        assert sentence.startswith(f"{param.name} must be ")


@pytest.mark.parametrize(
    ("param", "raw", "sentence"),
    [
        (WHOLE, "99", "layer must be a whole number from 1 to 6; the link says 99"),
        (WHOLE, "two", "layer must be a whole number from 1 to 6; the link says 'two'"),
        (WHOLE, "2.5", "layer must be a whole number from 1 to 6; the link says '2.5'"),
        (DECIMAL, "nan", "temperature must be a number from 0.0 to 2.0; the link says nan"),
        (DECIMAL, "inf", "temperature must be a number from 0.0 to 2.0; the link says inf"),
        (CHOICE, "No mask", "mask must be one of none, causal, padding; the link says 'No mask'"),
        (FLAG, "yes", "scaled must be 0 or 1; the link says 'yes'"),
        (
            TEXT,
            "~../../etc/passwd",
            "the link names a stored text as '../../etc/passwd'; a name is 32 hexadecimal digits",
        ),
    ],
)
def test_a_bad_value_gets_the_sentence_that_says_what_would_be_right(param, raw, sentence):
    with pytest.raises(ValueError) as caught:  # noqa: PT011  the whole sentence is compared below
        param.parse(raw)
    assert str(caught.value) == sentence


def test_a_text_stored_elsewhere_is_asked_for_again():
    with pytest.raises(ValueError, match="stored on another machine; paste the text here instead"):
        TEXT.parse("~" + "0" * 32)


# --- when the link speaks, and when the page's memory does ---


def two_pages():
    """A script with two pages that share one parameter name, as AppTest runs it."""
    import streamlit as st

    from components import controls, state

    layer = state.Number("layer", 4, "Layer", low=1, high=6, step=1)
    text = state.Text("text", "the cat sat", "Sentence")
    state.enter(st.session_state.get("test.page", "first"))
    state.open_params([layer, text])
    controls.slider(layer)
    controls.line(text)
    controls.reset_button([layer, text])
    state.publish([layer, text])


@pytest.fixture
def page() -> AppTest:
    return AppTest.from_function(two_pages, default_timeout=30)


def link_of(page: AppTest) -> dict[str, str]:
    return {name: value[0] if isinstance(value, list) else value for name, value in page.query_params.items()}


def test_a_first_request_shows_exactly_what_its_link_says(page):
    page.query_params["layer"] = "2"
    page.query_params["text"] = "<b>x</b> **y**"
    page.run()
    assert page.slider[0].value == 2
    assert page.text_input[0].value == "<b>x</b> **y**"
    assert link_of(page) == {"layer": "2", "text": "<b>x</b> **y**"}


def test_moving_a_control_writes_the_link_and_moving_it_back_clears_it(page):
    page.run()
    page.slider[0].set_value(6).run()
    assert link_of(page) == {"layer": "6"}
    page.slider[0].set_value(4).run()
    assert link_of(page) == {}


def test_an_impossible_value_becomes_the_default_with_a_sentence_until_the_control_is_moved(page):
    page.query_params["layer"] = "99"
    page.query_params["text"] = "kept"
    page.run()
    assert page.slider[0].value == 4
    assert page.text_input[0].value == "kept", "the good part of the link is kept"
    assert (
        "layer must be a whole number from 1 to 6; the link says 99. Shown instead: 4."
        in page.get("html")[0].proto.body
    )
    page.slider[0].set_value(5).run()
    assert not page.get("html")


def test_back_in_the_browser_shows_the_older_link(page):
    page.run()
    page.slider[0].set_value(6).run()
    del page.query_params["layer"]
    page.run()
    assert page.slider[0].value == 4


def a_page_that_runs_again():
    """After a move it runs as the browser would have it that has not heard of the new link: with the old one."""
    import streamlit as st

    from components import controls, state

    layer = state.Number("layer", 4, "Layer", low=1, high=6, step=1)
    state.enter("page")
    state.open_params([layer])
    controls.slider(layer)
    state.publish([layer])
    if st.session_state.get("test.old") is not None:
        st.query_params.from_dict(st.session_state.pop("test.old"))
        state.rerun()


@pytest.mark.parametrize("old", [{}, {"layer": "2"}])
def test_a_run_of_our_own_that_still_carries_the_old_link_does_not_take_the_change_back(old):
    page = AppTest.from_function(a_page_that_runs_again, default_timeout=30).run()
    page.session_state["test.old"] = old
    page.slider[0].set_value(6).run()
    assert page.slider[0].value == 6
    assert link_of(page) == {"layer": "6"}
    page.query_params.clear()
    assert page.run().slider[0].value == 4, "and a link that is opened afterwards is followed"


def test_a_control_moved_while_the_browser_still_has_the_old_link_holds(page):
    page.run()
    page.slider[0].set_value(6).run()
    page.query_params.clear()  # what a click brings along that was made before the link came
    page.text_input[0].set_value("next").run()
    assert (page.slider[0].value, page.text_input[0].value) == (6, "next")
    assert link_of(page) == {"layer": "6", "text": "next"}


def test_another_page_keeps_its_own_values_and_coming_back_restores_the_first(page):
    page.run()
    page.slider[0].set_value(6).run()
    page.session_state["test.page"] = "second"
    page.query_params.clear()
    page.run()
    assert page.slider[0].value == 4
    page.session_state["test.page"] = "first"
    page.query_params.clear()
    page.run()
    assert page.slider[0].value == 6
    assert link_of(page) == {"layer": "6"}


def test_a_link_followed_to_the_other_page_wins_over_its_memory(page):
    page.run()
    page.slider[0].set_value(6).run()
    page.session_state["test.page"] = "second"
    page.query_params.clear()
    page.run()
    page.session_state["test.page"] = "first"
    page.query_params.clear()
    page.query_params["layer"] = "3"
    page.run()
    assert page.slider[0].value == 3


def test_reset_goes_back_to_the_same_start(page):
    page.query_params["layer"] = "2"
    page.query_params["text"] = "other"
    page.run()
    page.button[0].click().run()
    assert (page.slider[0].value, page.text_input[0].value) == (4, "the cat sat")
    assert link_of(page) == {}


def test_a_text_of_100_000_characters_travels_as_a_short_link_and_comes_back(page):
    long_text = "word " * 20_000
    page.run()
    page.text_input[0].set_value(long_text).run()
    link = link_of(page)["text"]
    assert len(link) == 33
    fresh = AppTest.from_function(two_pages, default_timeout=30)
    fresh.query_params["text"] = link
    fresh.run()
    assert fresh.text_input[0].value == long_text
    assert storage.stored_text(link[1:]) == long_text
