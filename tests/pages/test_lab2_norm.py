"""Lab 2, section 2: every number is what torch's norms make of what was typed, and every claim in words is measured."""

import doctest
import re

import pytest
import torch
import torch.nn.functional as F

from components import drawing
from pages.lab2_block import normalisation, normalisation_stages
from pages.lab2_block.normalisation_stages import short

X = torch.tensor([[1.0, 3.0, 3.0, 9.0], [1.0, -5.0, -7.0, -5.0]]).double()


def cells(page) -> dict[str, dict]:
    blocks = page.figure("numbers")["blocks"]
    found = [matrix for block in blocks for line in block for matrix in line if matrix]
    return {cell["id"]: cell for matrix in found for row in matrix["cells"] for cell in row}


def shown(page, code: str) -> list[list[str]]:
    blocks = page.figure("numbers")["blocks"]
    matrix = next(m for block in blocks for line in block for m in line if m and m["code"] == code)
    return [[cell["text"] for cell in row] for row in matrix["cells"]]


def arithmetic(cell: dict) -> str:
    return "".join(text for text, _, _ in cell["says"])


def as_text(values: torch.Tensor) -> list[list[str]]:
    return [[short(value) for value in row] for row in values.tolist()]


def do(page, *edits: tuple[str, str]) -> None:
    """What the browser does when the learner types. AppTest runs no JavaScript, so the event is taken in as the run
    begins."""
    last = page.figure("numbers")["acknowledged"]
    event = {"edits": [{"id": last + i, "cell": c, "text": t} for i, (c, t) in enumerate(edits, 1)], "selected": ""}
    setup = normalisation._setup
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drawing, "result", lambda key: event if key == normalisation.FIGURE else None)
        patch.setattr(normalisation, "_setup", lambda: (normalisation._take(), setup())[1])
        page.run()


def test_the_section_opens_on_numbers_that_torch_confirms(open_lab2):
    page = open_lab2("norm")
    assert shown(page, "lo") == as_text(F.layer_norm(X, (4,), eps=1e-5))
    assert shown(page, "ro") == as_text(F.rms_norm(X, (4,), eps=1e-5))
    assert page.html().count("agree") == 2
    assert "✗" not in page.html()
    assert "mean 4 and standard deviation 3" in page.html()
    assert "keep a mean of 0.8" in page.html()
    assert page.link() == {"section": "norm"}


@pytest.mark.parametrize(
    ("name", "written", "reads"),
    [
        ("l11", "(1 + 3 + 3 + 9) ÷ 4 = 16 ÷ 4 = 4", {"x11", "x12", "x13", "x14"}),
        ("l21", "1 − 4 = −3", {"x11", "l11"}),
        ("l31", "(−3)² = 9", {"l21"}),
        ("l41", "(9 + 1 + 1 + 25) ÷ 4 = 36 ÷ 4 = 9", {"l31", "l32", "l33", "l34"}),
        ("l51", "√(9 + 1e−5) = 3", {"l41"}),
        ("l64", "5 ÷ 3 = 1.667", {"l24", "l51"}),
        ("l74", "1.667 · 1 = 1.667", {"l64", "g14"}),
        ("lo14", "1.667 + 0 = 1.667", {"l74", "g24"}),
        ("r41", "(1 + 9 + 9 + 81) ÷ 4 = 100 ÷ 4 = 25", {"r31", "r32", "r33", "r34"}),
        ("r64", "9 ÷ 5 = 1.8", {"x14", "r51"}),
        ("ro14", "1.8 stays as it is", {"r74"}),
    ],
)
def test_each_stage_writes_out_its_arithmetic_and_names_the_cells_it_read(open_lab2, name, written, reads):
    cell = cells(open_lab2("norm"))[name]
    assert arithmetic(cell) == written
    assert set(cell["reads"]) == reads


def test_a_statistic_is_one_wide_cell_for_the_whole_token(open_lab2):
    page = open_lab2("norm")
    assert [cells(page)[name].get("span") for name in ("l11", "l41", "l51", "r41", "l21")] == [4, 4, 4, 4, None]
    page.set("n_batch", True)
    assert [len(row) for row in shown(page, "l")] == [4] * 7


@pytest.mark.parametrize("token", [1, 2])
def test_the_steps_are_those_of_the_chosen_token(open_lab2, token):
    page = open_lab2("norm", n_token=str(token))
    assert shown(page, "l")[0] == [short(X[token - 1].mean().item())]
    assert shown(page, "l")[6] == as_text(F.layer_norm(X, (4,), eps=1e-5))[token - 1]


def test_scale_and_shift_are_applied_as_torch_applies_them(open_lab2):
    page = open_lab2("norm", n_g="2,1,1,-1;5,0,0,0.5")
    scale, shift = torch.tensor([[2.0, 1, 1, -1], [5, 0, 0, 0.5]]).double()
    assert shown(page, "lo") == as_text(F.layer_norm(X, (4,), scale, shift, 1e-5))
    assert shown(page, "ro") == as_text(F.rms_norm(X, (4,), scale, 1e-5))
    assert "✗" not in page.html()
    assert "scale and shift then undo some of it" in page.html()


def test_adding_100_leaves_layer_norm_alone_and_not_rms_norm(open_lab2):
    page = open_lab2("norm")
    before = shown(page, "lo"), shown(page, "ro")
    page.press("+ 100")
    assert shown(page, "x")[0] == ["101", "103", "103", "109"]
    assert shown(page, "lo") == before[0]
    assert shown(page, "ro")[0] != before[1][0]
    moved = (F.rms_norm(X + 100, (4,), eps=1e-5) - F.rms_norm(X, (4,), eps=1e-5))[0].abs().max().item()
    assert f"moved by up to {moved:.3f}" in page.html()
    assert page.link()["n_x"].startswith("101,103,103,109")


def test_ten_times_the_numbers_leave_both_norms_alone(open_lab2):
    page = open_lab2("norm", n_eps="0")
    before = shown(page, "lo"), shown(page, "ro")
    page.press("× 10")
    assert (shown(page, "lo"), shown(page, "ro")) == before
    assert "10 times what it was" in page.html()


def test_a_change_that_no_cell_could_hold_is_refused_in_a_sentence(open_lab2):
    page = open_lab2("norm", n_x="9000,1,1,1")
    page.press("× 10")
    assert "beyond 10,000" in page.html()
    assert shown(page, "x")[0] == ["9000", "1", "1", "1"]


def test_the_token_that_was_not_edited_keeps_its_outputs(open_lab2):
    page = open_lab2("norm")
    before = shown(page, "lo")[1], shown(page, "ro")[1]
    do(page, ("x12", "−8.5"))
    assert shown(page, "x")[0] == ["1", "−8.5", "3", "9"]
    assert (shown(page, "lo")[1], shown(page, "ro")[1]) == before
    assert "Token 2, which you did not touch, kept its outputs (largest difference 0)" in page.html()


def test_over_the_batch_the_untouched_token_moves_and_the_audit_turns_red(open_lab2):
    page = open_lab2("norm")
    page.press("Normalise over the batch")
    x = torch.tensor([[1.0, 3.0, 3.0, -9.0], X[1].tolist()]).double()
    assert shown(page, "lo") == as_text(F.batch_norm(x, None, None, training=True, eps=1e-5))
    assert page.html().count("✗") == 2
    assert "Over the batch" in page.html()
    start = F.batch_norm(X, None, None, training=True, eps=1e-5)
    moved = (F.batch_norm(x, None, None, training=True, eps=1e-5) - start)[1].abs().max().item()
    assert moved > 0.1
    said = re.search(r"yet its LayerNorm output moved by up to ([\d.]+)", page.html())[1]
    assert float(said.rstrip(".")) == pytest.approx(moved, abs=0.005)  # two decimals are shown


def test_dividing_by_one_less_turns_only_layer_norms_audit_red(open_lab2):
    page = open_lab2("norm", n_unbiased="1")
    assert shown(page, "l")[3] == ["12"]
    assert arithmetic(cells(page)["l41"]) == "(9 + 1 + 1 + 25) ÷ 3 = 36 ÷ 3 = 12"
    assert page.html().count("✗") == 1
    assert "the mistake you switched on (Variance ÷ (n − 1))" in page.html()
    assert "variance 12 instead of 9" in page.html()


def test_four_equal_numbers_without_eps_have_no_value_and_with_eps_give_0(open_lab2):
    page = open_lab2("norm")
    page.press("Four equal numbers, no eps")
    assert shown(page, "lo")[0] == ["NaN"] * 4
    assert shown(page, "ro")[0] == ["1"] * 4
    assert "0 ÷ 0 has no value" in page.html()
    assert "✗" not in page.html()  # torch says NaN as well
    page.set("n_eps", "1e-5")
    assert shown(page, "lo")[0] == ["0"] * 4
    assert "nothing sets them apart" in page.html()


def test_eps_weighs_where_the_numbers_are_very_small(open_lab2):
    page = open_lab2("norm")
    page.press("Very small differences")
    assert shown(page, "l")[3] == ["9e−6"]
    assert f"{1e-5 / (9e-6 + 1e-5):.0%} of what stands under" in page.html()
    assert "✗" not in page.html()


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("abc", "is not a number"),
        ("1,5", "write it with a point, 1.5"),
        ("", "it is empty"),
        ("inf", "cannot be worked with"),
        ("nan", "cannot be worked with"),
        ("1e300", "from −10000 to 10000"),
        ("1e-200", "too near to 0"),
        ("<b>1</b>", "is not a number"),
    ],
)
def test_a_cell_that_is_no_number_is_kept_and_explained_while_the_figure_stays(open_lab2, typed, sentence):
    page = open_lab2("norm")
    before = shown(page, "lo")
    do(page, ("x21", typed))
    cell = cells(page)["x21"]
    assert (cell["text"], cell["mark"], cell["good"]) == (typed, "bad", "1")
    (problem,) = page.figure("numbers")["problems"]
    assert sentence in problem
    assert shown(page, "lo") == before
    again = open_lab2("norm", n_typed=page.link()["n_typed"])  # a reload loses nothing
    assert cells(again)["x21"]["text"] == typed
    do(page, ("x21", "1"))
    assert page.figure("numbers")["problems"] == []


@pytest.mark.parametrize(
    "link",
    [
        {"n_eps": "-1"},
        {"n_token": "3"},
        {"n_x": "1,inf"},
        {"n_x": "1,2,3,4,5"},
        {"n_g": "99999"},
        {"n_x": "1e-200"},
        {"n_cell": "q11"},
        {"n_typed": "l11=2"},
        {"n_batch": "yes"},
    ],
)
def test_a_link_with_impossible_values_gets_a_sentence_and_the_figure_stays(open_lab2, link):
    page = open_lab2("norm", **link)
    assert 'class="labs-problem"' in page.html()
    assert next(iter(link)) in page.html()
    assert shown(page, "l")[0] == ["4"]


def test_large_and_small_numbers_together_still_agree_with_torch(open_lab2):
    page = open_lab2(
        "norm", n_x="10000,-10000,0.001,9999.5;-10000,-10000,-10000,-9999", n_eps="0", n_g="10000,1,1,-500"
    )
    assert "✗" not in page.html()


def test_examples_in_the_documentation_hold():
    result = doctest.testmod(normalisation_stages)
    assert result.attempted
    assert not result.failed
