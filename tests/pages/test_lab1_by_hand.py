"""Lab 1, section 2: every number on screen is the engine's, and whatever is typed into a cell is kept."""

import doctest
import re

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from components import drawing, typed_numbers
from components.figures import numbers
from engine.masks import causal_mask
from pages.lab1_attention import by_hand
from pages.lab1_attention.by_hand_writing import softmax

X = torch.tensor([[1.0, 0.0], [0.0, 2.0], [1.0, 1.0]]).double()
QUERY = torch.tensor([[1.0, 0.0], [2.0, 4.0], [2.0, 2.0]]).double()
KEY = torch.tensor([[1.0, 1.0], [0.0, 2.0], [1.0, 2.0]]).double()
VALUE = torch.tensor([[2.0, 0.0], [0.0, 2.0], [2.0, 1.0]]).double()


def matrices(page) -> dict[str, dict]:
    blocks = page.figure("numbers")["blocks"]
    return {matrix["code"]: matrix for block in blocks for line in block for matrix in line if matrix}


def cells(page) -> dict[str, dict]:
    return {cell["id"]: cell for matrix in matrices(page).values() for row in matrix["cells"] for cell in row}


def shown(page, code: str) -> list[list[str]]:
    return [[cell["text"] for cell in row] for row in matrices(page)[code]["cells"]]


def arithmetic(cell: dict) -> str:
    return "".join(text for text, _, _ in cell["says"])


def as_text(values: torch.Tensor) -> list[list[str]]:
    return [[numbers.show(value) for value in row] for row in values.tolist()]


def do(page, *edits: tuple[str, str]) -> None:
    """What the browser does when the learner types: one event that carries every edit not yet acknowledged.

    AppTest runs no JavaScript and calls no callback of a browser part, so the event is taken in at the run's start.
    """
    last = page.figure("numbers")["acknowledged"]
    event = {"edits": [{"id": last + i, "cell": c, "text": t} for i, (c, t) in enumerate(edits, 1)], "selected": ""}
    setup = by_hand._setup
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drawing, "result", lambda key: event if key == by_hand.FIGURE else None)
        patch.setattr(by_hand, "_setup", lambda: (by_hand._take(), setup())[1])
        page.run()


def test_the_section_opens_on_a_sum_that_torch_confirms(open_lab1):
    page = open_lab1("by-hand")
    theirs = F.scaled_dot_product_attention(QUERY, KEY, VALUE)
    weights = (QUERY @ KEY.T / 2**0.5).softmax(-1)
    assert shown(page, "q") == as_text(QUERY)
    assert shown(page, "s") == [["1", "0", "1"], ["6", "8", "10"], ["4", "4", "6"]]
    assert shown(page, "w") == as_text(weights)
    assert shown(page, "o") == as_text(theirs)
    assert "agree" in page.html()
    assert "✗" not in page.html()
    assert page.link() == {"section": "by-hand"}


@pytest.mark.parametrize(
    ("name", "written", "reads"),
    [
        ("q21", "0·1 + 2·1 = 2", {"x21", "x22", "wq11", "wq21"}),
        ("s23", "2·1 + 4·2 = 10", {"q21", "q22", "k31", "k32"}),
        ("d23", "10 ÷ √2 = 10 ÷ 1.414 = 7.071", {"s23"}),
        ("m23", "7.071 stays: it may be read", {"d23"}),
        ("w23", "e7.071 ÷ (e4.243 + e5.657 + e7.071) = 1177.405 ÷ 1533.243 = 0.768", {"m21", "m22", "m23"}),
        ("o21", "0.045·2 + 0.187·0 + 0.768·2 = 1.627", {"w21", "w22", "w23", "v11", "v21", "v31"}),
    ],
)
def test_each_stage_writes_out_its_arithmetic_and_names_the_cells_it_read(open_lab1, name, written, reads):
    cell = cells(open_lab1("by-hand"))[name]
    assert arithmetic(cell) == written
    assert set(cell["reads"]) == reads


@pytest.mark.parametrize("dims", [2, 3, 4])
def test_every_cell_of_every_size_has_arithmetic_that_ends_in_its_own_number(open_lab1, dims):
    page = open_lab1("by-hand", h_dims=str(dims))
    assert len(matrices(page)["x"]["cells"][0]) == len(matrices(page)["wq"]["cells"]) == dims
    for name, cell in cells(page).items():
        if cell["kind"] == "result" and name[0] != "m":
            result = float(arithmetic(cell).rsplit("= ", 1)[1].split(" (")[0].replace("−", "-"))
            # 0.0051: the cell is rounded to two decimals, the sum to three
            assert result == pytest.approx(float(cell["text"].replace("−", "-")), abs=0.0051)


def test_a_link_carries_the_learners_own_numbers(open_lab1):
    page = open_lab1("by-hand", h_x="0.5,-3;0,2")
    mine = torch.tensor([[0.5, -3.0], [0.0, 2.0], [1.0, 1.0]]).double()
    assert shown(page, "x") == [["0.5", "−3"], ["0", "2"], ["1", "1"]]
    assert shown(page, "q") == as_text(mine @ torch.tensor([[1.0, 0.0], [1.0, 2.0]]).double())
    assert page.link()["h_x"] == "0.5,-3;0,2"


def test_typed_queries_keys_and_values_start_where_the_words_led(open_lab1):
    page = open_lab1("by-hand", h_x="3,0", h_start="qkv", h_k="9,9")
    assert shown(page, "q")[0] == ["3", "0"]
    assert shown(page, "k")[0] == ["9", "9"]
    assert {cell["kind"] for name, cell in cells(page).items() if name[0] in "qkv"} == {"given"}
    assert "x" not in matrices(page)


def test_edits_reach_the_numbers_and_the_link_even_when_several_come_at_once(open_lab1):
    page = open_lab1("by-hand")
    do(page, ("x11", "3"), ("x12", " −2.5 "), ("wk22", "4"))
    assert shown(page, "x")[0] == ["3", "−2.5"]
    assert shown(page, "wk")[1] == ["0", "4"]
    assert page.link()["h_x"] == "3,-2.5"
    do(page, ("x11", "1"), ("x12", "0"))
    assert "h_x" not in page.link()  # as it was given: nothing to carry


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("abc", "is not a number"),
        ("1,5", "write it with a point, 1.5"),
        ("", "it is empty"),
        ("1e400", "cannot be worked with"),
        ("nan", "cannot be worked with"),
        ("1000", "from −100 to 100"),
        ("<b>1</b>", "is not a number"),
    ],
)
def test_a_cell_that_is_no_number_is_kept_and_explained_while_the_figure_stays(open_lab1, typed, sentence):
    page = open_lab1("by-hand")
    before = shown(page, "o")
    do(page, ("x21", typed))
    cell = cells(page)["x21"]
    assert (cell["text"], cell["mark"], cell["good"]) == (typed, "bad", "0")
    (problem,) = page.figure("numbers")["problems"]
    assert sentence in problem
    assert "X, row “cat”, column 1" in problem
    assert shown(page, "o") == before
    again = open_lab1("by-hand", h_typed=page.link()["h_typed"])  # a reload loses nothing
    assert cells(again)["x21"]["text"] == typed
    do(page, ("x21", "0"))
    assert page.figure("numbers")["problems"] == []


def test_no_scaling_shows_entropy_saturation_and_room_beside_the_scaled_values(open_lab1):
    page = open_lab1("by-hand", h_unscaled="1")
    plain, divided = (QUERY @ KEY.T).softmax(-1), (QUERY @ KEY.T / 2**0.5).softmax(-1)
    for code, weights in (("g", plain), ("f", divided)):
        entropy = -(weights * weights.log2()).sum(-1)
        theirs = torch.stack([entropy, weights.amax(-1), 1 - weights.square().sum(-1)], dim=1)
        assert shown(page, code) == as_text(theirs)
    entropy = -(divided * divided.log2()).sum(-1)[2]  # of "sat", whose largest weight grows most
    assert f"entropy (how spread out it reads) from {entropy:.2f}" in page.html()
    assert "✗" in page.html()
    assert "the mistake you switched on (no scaling)" in page.html()


def test_the_wrong_axis_shows_rows_that_do_not_add_up(open_lab1):
    page = open_lab1("by-hand", h_axis="1")
    weights = (QUERY @ KEY.T / 2**0.5).softmax(0)
    assert shown(page, "w") == as_text(weights)
    assert shown(page, "e") == as_text(weights.sum(-1, keepdim=True))
    assert set(cells(page)["w23"]["reads"]) == {"m13", "m23", "m33"}
    assert "no longer add up to 1" in page.html()


def test_a_large_number_instead_of_minus_infinity_reads_the_mean_where_nothing_may_be_read(open_lab1):
    right = open_lab1("by-hand", h_mask="row1")
    assert shown(right, "o")[0] == ["0", "0"]
    assert "✗" not in right.html()
    wrong = open_lab1("by-hand", h_mask="row1", h_fill="1")
    assert shown(wrong, "o")[0] == as_text(VALUE.mean(0, keepdim=True))[0]
    assert shown(wrong, "m")[0] == ["−1e9"] * 3
    assert "✗" in wrong.html()
    causal = open_lab1("by-hand", h_mask="causal", h_fill="1")
    assert "✗" not in causal.html()  # everywhere else the two are the same


def test_masked_cells_are_marked_as_masked_not_only_as_numbers(open_lab1):
    page = open_lab1("by-hand", h_mask="causal")
    hidden = {f"{r + 1}{c + 1}" for r, c in (~causal_mask(3)).nonzero().tolist()}
    assert {name[1:] for name, cell in cells(page).items() if name[0] == "m" and cell.get("masked")} == hidden
    assert cells(page)["m12"]["text"] == "−∞"


def test_the_whiteboard_sends_no_result_to_the_browser_before_it_was_guessed(open_lab1):
    page = open_lab1("by-hand", h_board="1")
    results = [cell for name, cell in cells(page).items() if not name.startswith(("x", "wq", "wk", "wv"))]
    assert len(results) == 60
    assert {(cell["kind"], cell["text"], cell.get("says")) for cell in results} == {("covered", "", None)}
    assert "0.77" not in page.html()


QUOTED = re.compile(
    r"“(.+?)” has the scores ([^;]+);(?: (divided by √\d|after the mask): ([^;]+);)? "
    r"the softmax turns these into the shares (.+?)\. "
)


@pytest.mark.parametrize("mask", ["none", "causal"])
@pytest.mark.parametrize("unscaled", ["0", "1"])
@pytest.mark.parametrize("dims", ["2", "4"])
def test_the_softmax_of_the_numbers_in_the_note_is_the_shares_in_the_note(open_lab1, mask, unscaled, dims):
    page = open_lab1("by-hand", h_mask=mask, h_unscaled=unscaled, h_dims=dims)
    word, scores, step, changed, shares = QUOTED.search(page.html()).groups()
    row = ["the", "cat", "sat"].index(word)
    assert scores.split(", ") == shown(page, "s")[row]
    assert bool(step and step.startswith("divided")) == (unscaled == "0")
    hidden = (~causal_mask(3))[row].tolist() if mask == "causal" else [False] * 3
    quoted = (changed or scores).split(", ")
    assert [number == "hidden" for number in quoted] == hidden
    ours = torch.tensor([float(share) for share in shares.split(", ")])
    read = [float("-inf") if number == "hidden" else float(number.replace("−", "-")) for number in quoted]
    # 0.01: scores and shares are quoted with two decimals
    torch.testing.assert_close(ours, torch.tensor(read).softmax(0), atol=0.01, rtol=0)


def test_the_opening_note_divides_before_the_softmax(open_lab1):
    assert "the scores 6, 8, 10; divided by √2: 4.24, 5.66, 7.07; the softmax" in open_lab1("by-hand").html()


BUTTONS = {
    "Leave out ÷ √d, 4 dimensions": {"h_unscaled": "1", "h_dims": "4", "h_cell": "w33"},
    "A row that may read nothing, with −1e9": {"h_mask": "row1", "h_fill": "1", "h_cell": "w11"},
    "Work it out yourself": {"h_board": "1", "h_cell": "none"},
}


@pytest.mark.parametrize("before", BUTTONS)
@pytest.mark.parametrize("label", BUTTONS)
def test_a_button_means_the_same_whichever_was_pressed_before(open_lab1, before, label):
    page = open_lab1("by-hand", h_axis="1")
    page.press(before)
    page.press(label)
    assert page.link() == {"section": "by-hand"} | BUTTONS[label]


def test_the_note_about_scaling_speaks_of_the_row_whose_cell_is_chosen(open_lab1):
    page = open_lab1("by-hand")
    page.press("Leave out ÷ √d, 4 dimensions")
    row = int(page.figure("numbers")["selected"][1]) - 1
    assert QUOTED.search(page.html())[1] == matrices(page)["s"]["rows"][row]


def test_weights_chosen_here_are_not_called_learned(open_lab1):
    page = open_lab1("by-hand")
    assert {matrices(page)[code]["formula"] for code in ("wq", "wk", "wv")} == {"chosen here"}
    assert cells(page)["wk12"]["where"] == "a weight: chosen here, learned in a model"


def test_a_wrong_guess_stays_written_beside_the_answer(open_lab1):
    page = open_lab1("by-hand", h_board="1")
    do(page, ("d23", "7.2"), ("s23", "10"))
    assert "✗ scaled, “cat” reads “sat”. You wrote 7.2; it is 7.07" in page.html()
    assert "You wrote 10" not in page.html()


def test_guesses_are_judged_counted_and_kept(open_lab1):
    page = open_lab1("by-hand", h_board="1")
    do(page, ("s23", "10"), ("w23", "0.76"), ("d23", "7.2"), ("o11", "zwei"))
    found = cells(page)
    assert [found[name].get("mark") for name in ("s23", "w23", "d23", "o11")] == ["right", "right", "wrong", "bad"]
    assert found["d23"]["text"] == "7.07"
    assert "you were 0.13 too high" in found["d23"]["verdict"]
    assert found["o11"]["text"] == "zwei"
    assert "2 of 3 right" in page.html()
    reloaded = open_lab1("by-hand", **{name: value for name, value in page.link().items() if name != "section"})
    assert "2 of 3 right" in reloaded.html()
    reloaded.press("Reveal all")
    assert [name for name, cell in cells(reloaded).items() if cell["kind"] == "covered"] == ["o11"]  # no number yet
    assert "2 of 3 right" in reloaded.html()


@pytest.mark.parametrize(
    ("words", "labels"),
    [("one", ["one", "word 2", "word 3"]), ("", ["word 1", "word 2", "word 3"]), ("a " * 50_000, ["a", "a", "a"])],
)
def test_words_that_are_not_three_are_kept_with_a_sentence(open_lab1, words, labels):
    page = open_lab1("by-hand")
    page.set("h_words", words)
    assert matrices(page)["x"]["rows"] == labels
    assert "Three words are needed" in page.html()
    (more,) = page.app.get("popover")
    assert not any("Three words are needed" in element.proto.body for element in more.get("html"))
    assert page.widget("h_words").value == words


def test_markup_and_other_scripts_in_words_are_data(open_lab1):
    page = open_lab1("by-hand", h_words="<b>x</b> **قطة** 😀$z$")
    assert matrices(page)["s"]["rows"] == ["<b>x</b>", "**قطة**", "😀$z$"]
    assert "<b>x</b>" not in page.html()


@pytest.mark.parametrize(
    "link",
    [
        {"h_dims": "9"},
        {"h_mask": "x"},
        {"h_start": "y"},
        {"h_x": "1,nan"},
        {"h_wq": "1;2;3;4;5"},
        {"h_q": "1,2;3"},
        {"h_cell": "zz99"},
        {"h_guess": "<b>=1"},
        {"h_typed": "q"},
    ],
)
def test_a_link_with_impossible_values_gets_a_sentence_and_the_figure_stays(open_lab1, link):
    page = open_lab1("by-hand", **link)
    assert 'class="labs-problem"' in page.html()
    assert next(iter(link)) in page.html()
    assert shown(page, "s")[1] == ["6", "8", "10"]


def test_impossible_numbers_in_a_link_give_way_to_those_the_section_starts_with(open_lab1):
    page = open_lab1("by-hand", h_x="1,2,nan")
    assert "Shown instead: the numbers it starts with." in page.html()
    assert shown(page, "x")[0] == ["1", "0"]


@given(st.lists(st.tuples(st.sampled_from(["s11", "wq12", "o31"]), st.text(max_size=12)), max_size=3))
def test_notes_come_back_from_the_link_as_they_were(written):
    param = by_hand.GUESSES
    notes = tuple(dict(written).items())
    assert not notes or param.parse(param.format(notes)) == notes


@given(st.floats(-100, 100))
def test_numbers_come_back_from_the_link_as_they_were(number):
    grid = by_hand.GRIDS["x"]
    assert grid.parse(grid.format(((number,),))) == ((number,),)


def test_softmax_is_written_even_where_powers_overflow():
    scores = torch.tensor([6.4e9, -6.4e9, 6.4e9])
    assert "".join(text for text, _, _ in softmax(scores, 0, 0.5)).startswith("e0 ÷ (e0 + e")


def test_an_event_is_taken_in_once(monkeypatch):
    event = {"edits": [{"id": 5, "cell": "x11", "text": "1"}, {"id": 6, "cell": "x12", "text": "2"}], "selected": "x11"}
    monkeypatch.setattr(drawing, "result", lambda key: event)
    assert numbers.edits("any", after=5) == ([(6, "x12", "2")], "x11")


def test_examples_in_the_documentation_hold():
    for module in (typed_numbers, numbers):
        result = doctest.testmod(module)
        assert result.attempted
        assert not result.failed
