"""Every kind of control shows its parameter, remembers what is set, and keeps the sentence beside it."""

from streamlit.testing.v1 import AppTest


def every_control():
    from components import controls, state

    number = state.Number("number", 4, "Number", low=1, high=6, step=1)
    few = state.Choice("few", "a", "Few", options=("a", "b"), labels={"a": "First", "b": "Second"})
    many = state.Choice("many", "a", "Many", options=("a", "b", "c"))
    flag = state.Flag("flag", False, "Flag")
    line = state.Text("line", "one", "Line")
    area = state.Text("area", "two", "Area")
    params = [number, few, many, flag, line, area]
    state.enter("page")
    state.open_params(params)
    values = [controls.slider(number), controls.choice(few), controls.choice(many, compact=True)]
    values += [controls.toggle(flag), controls.line(line), controls.area(area)]
    import streamlit as st

    st.json({"values": values})
    controls.end_of_run(params)


def values_of(page: AppTest) -> list:
    import json

    return json.loads(page.json[0].value)["values"]


def test_controls_show_their_defaults_and_what_is_set_reaches_the_page_and_the_link():
    page = AppTest.from_function(every_control, default_timeout=30).run()
    assert not page.exception
    assert values_of(page) == [4, "a", "a", False, "one", "two"]
    page.slider[0].set_value(5)
    page.button_group[0].set_value("b")
    page.selectbox[0].set_value("c")
    page.toggle[0].set_value(True)
    page.text_input[0].set_value("<i>uno</i>")
    page.text_area[0].set_value("line 1\nline 2")
    page.run()
    assert values_of(page) == [5, "b", "c", True, "<i>uno</i>", "line 1\nline 2"]
    link = {name: value[0] if isinstance(value, list) else value for name, value in page.query_params.items()}
    assert link == {
        "number": "5",
        "few": "b",
        "many": "c",
        "flag": "1",
        "line": "<i>uno</i>",
        "area": "line 1\nline 2",
    }


def test_all_impossible_values_at_once_give_one_sentence_each_and_keep_every_control():
    page = AppTest.from_function(every_control, default_timeout=30)
    for name in ("number", "few", "many", "flag"):
        page.query_params[name] = "?"
    page.run()
    assert not page.exception
    assert values_of(page)[:4] == [4, "a", "a", False]
    assert len(page.get("html")) == 4


def test_a_written_value_is_said_again_for_a_moment_after_its_run(monkeypatch):
    """set_value in a message makes the browser show the value; a message may be dropped when another run begins."""
    now = 100.0
    monkeypatch.setattr("components.controls.time.monotonic", lambda: now)
    page = AppTest.from_function(every_control, default_timeout=30).run()
    said = [page.slider[0].proto.set_value]
    for passed in (0.1, 1.0):
        now += passed
        said.append(page.run().slider[0].proto.set_value)
    assert said == [True, True, False]


def one_slider_in_a_run_that_may_be_cut_short():
    import streamlit as st

    from components import controls, state

    number = state.Number("number", 4, "Number", low=1, high=6, step=1)
    state.enter("page")
    state.open_params([number])
    controls.slider(number)
    if st.session_state.get("test.cut"):
        st.stop()
    controls.end_of_run([number])


def test_a_value_whose_run_was_cut_short_is_said_again_however_late(monkeypatch):
    now = 100.0
    monkeypatch.setattr("components.controls.time.monotonic", lambda: now)
    page = AppTest.from_function(one_slider_in_a_run_that_may_be_cut_short, default_timeout=30)
    page.session_state["test.cut"] = True
    page.run()
    page.session_state["test.cut"] = False
    said = []
    for passed in (60.0, 0.1, 1.0):
        now += passed
        said.append(page.run().slider[0].proto.set_value)
    assert said == [True, True, False]


def test_what_the_learner_moves_is_not_written_over(monkeypatch):
    monkeypatch.setattr("components.controls.time.monotonic", lambda: 100.0)
    page = AppTest.from_function(every_control, default_timeout=30).run()
    page.slider[0].set_value(5).run()
    assert values_of(page)[0] == 5
    assert not page.run().slider[0].proto.set_value


def test_what_the_browser_says_before_it_has_heard_of_a_new_value_is_not_taken_for_the_learners(monkeypatch):
    now = 100.0
    monkeypatch.setattr("components.controls.time.monotonic", lambda: now)
    page = AppTest.from_function(every_control, default_timeout=30).run()
    page.slider[0].set_value(2).run()
    page.session_state["link.values"]["page.number"] = 6  # as a button's callback does
    page.run()
    page.slider[0].set_value(2).run()  # another request of the browser, made before it heard of the 6
    assert (values_of(page)[0], page.slider[0].value) == (6, 6)
    page.slider[0].set_value(3).run()
    assert values_of(page)[0] == 3, "the learner can move it at once"
    page.session_state["link.values"]["page.number"] = 6
    page.run()
    now += 2.0
    page.slider[0].set_value(3).run()
    assert values_of(page)[0] == 3, "and back to the old value once the browser knows the new one"


def slider_as_long_as_the_text():
    from components import controls, state

    text = state.Text("text", "a b c d e f", "Text")
    place = state.Number("place", 1, "Place", low=1, high=99, step=1)
    state.enter("page")
    state.open_params([text, place])
    controls.slider(place, high=len(controls.line(text).split()))
    state.publish([text, place])


def test_a_slider_keeps_its_wish_when_its_end_moves_and_says_what_it_shows_instead():
    page = AppTest.from_function(slider_as_long_as_the_text, default_timeout=30).run()
    page.slider[0].set_value(3).run()
    page.text_input[0].set_value("a b c d").run()
    assert (page.slider[0].value, page.slider[0].max) == (3, 4)
    assert not page.get("html")
    page.text_input[0].set_value("a b").run()
    assert (page.slider[0].value, page.slider[0].max) == (2, 2)
    assert "goes up to 2 here; 3 comes back with a longer text" in page.get("html")[0].proto.body
    assert list(page.query_params["place"]) == ["3"]
    page.text_input[0].set_value("a").run()
    assert not page.slider
    assert [html.proto.body.count("only choice") for html in page.get("html")] == [1, 0]
    page.text_input[0].set_value("a b c d e").run()
    assert (page.slider[0].value, page.slider[0].max) == (3, 5)
    assert not page.get("html")


def test_moving_a_slider_that_shows_its_end_sets_a_new_wish():
    page = AppTest.from_function(slider_as_long_as_the_text, default_timeout=30).run()
    page.slider[0].set_value(5).run()
    page.text_input[0].set_value("a b c").run()
    assert page.slider[0].value == 3
    page.slider[0].set_value(2).run()
    assert not page.get("html")
    page.text_input[0].set_value("a b c d e f").run()
    assert page.slider[0].value == 2
