"""Lab 2, section 4: a stack with its shortcuts and without, untrained and trained."""

import pytest

from engine import jobs
from engine.signals import SignalConfig, measure_signals
from pages.lab2_block import residuals, residuals_words


def curve(page, plot: int, side: str) -> list[float]:
    """One line of the first figure; side: "with" or "without"."""
    series = page.figures("plots")[0]["plots"][plot]["series"]
    return next(one["y"] for one in series if one["name"].startswith(side))


@pytest.mark.parametrize(
    ("link", "settings"),
    [
        ({}, {"n_layers": 12}),
        ({"r_depth": "3", "r_place": "post", "r_seed": "2"}, {"n_layers": 3, "norm_first": False, "seed": 2}),
        ({"r_depth": "4", "r_place": "none"}, {"n_layers": 4, "norm": "none"}),
        (
            {"r_depth": "2", "r_norm": "rmsnorm", "r_activation": "gelu"},
            {"n_layers": 2, "norm": "rmsnorm", "activation": "gelu"},
        ),
    ],
)
def test_the_figure_shows_the_engines_numbers_and_torch_agrees(open_lab2, link, settings):
    page = open_lab2("residual", **link)
    for side, residual in (("with ", True), ("without", False)):
        report = measure_signals(SignalConfig(residual=residual, double=True, **settings))
        for plot, name in enumerate(("signal", "similarity", "query_key_gradient")):
            assert curve(page, plot, side) == [getattr(layer, name) for layer in report.layers]
    assert "ours and torch.nn.TransformerEncoderLayer agree" in page.html()


def test_the_deepest_stack_is_drawn_and_says_that_shortcuts_are_not_enough(open_lab2):
    page = open_lab2("residual", r_depth="48", r_place="post")
    assert len(curve(page, 0, "without")) == 48
    assert "Shortcuts are needed, not enough" in page.html()
    assert "only rounding is left" in page.html()
    page.set("r_place", "pre")
    assert "Shortcuts are needed, not enough" not in page.html()


def test_one_side_alone_and_another_gradient(open_lab2):
    page = open_lab2("residual", r_depth="4", r_show="with", r_gradient="feed_forward")
    for plot in page.figures("plots")[0]["plots"]:
        assert [one["name"] for one in plot["series"]] == [residuals.WITH]
    report = measure_signals(SignalConfig(n_layers=4, double=True))
    assert curve(page, 2, "with") == [layer.feed_forward_gradient for layer in report.layers]
    assert "feed-forward" in page.html()


def test_the_stored_training_is_shown_for_the_nearest_depth(open_lab2):
    stored = jobs.stored("shortcuts")
    page = open_lab2("residual", r_depth="9")
    by_depth, way = page.figures("plots")[1]["plots"]
    assert by_depth["series"][0]["x"] == list(stored.config.depths)
    assert by_depth["series"][1]["y"] == [stored.result["final"][f"{depth} without"] for depth in stored.config.depths]
    assert way["title"] == "On the way: 8 layers"
    assert way["series"][0]["y"] == [e["loss"] for e in stored.events if (e["depth"], e["shortcuts"]) == (8, True)]
    assert "python -m engine.jobs shortcuts shortcuts" in page.html()


def test_the_buttons_set_the_controls_they_name(open_lab2):
    page = open_lab2("residual")
    page.press("No norm at all")
    link = page.link()
    assert (link["r_depth"], link["r_place"], link["r_gradient"]) == ("24", "none", "signal")
    assert "Nothing sets the size here" in page.html()
    page.press("Reset")
    assert set(page.link()) == {"section"}


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("r_depth", "0", "r_depth must be a whole number from 2 to 48; the link says 0"),
        ("r_depth", "10000", "r_depth must be a whole number from 2 to 48; the link says 10000"),
        ("r_depth", "deep", "r_depth must be a whole number"),
        ("r_place", "above", "r_place must be one of pre, post, none"),
        ("r_gradient", "<b>x</b>", "r_gradient must be one of"),
        ("r_seed", "-1", "r_seed must be a whole number from 0 to 99"),
    ],
)
def test_a_wrong_link_gives_a_sentence_and_keeps_the_section(open_lab2, name, value, says):
    page = open_lab2("residual", **{name: value})
    assert says in page.html()
    assert "<b>x</b>" not in page.html()
    assert len(curve(page, 0, "with ")) == 12


def test_the_words_follow_the_numbers():
    kept, lost = (measure_signals(SignalConfig(n_layers=2, residual=r, double=True)) for r in (True, False))
    assert residuals_words.first_alike(lost) is None
    said = residuals_words.notice(kept, lost, "query_key")
    assert f"{lost.layers[-1].similarity:.2f} after layer 2; with them {kept.layers[-1].similarity:.2f}" in said
    final = {"1 with": 1.0, "1 without": 1.0, "8 with": 1.2, "8 without": 3.45}
    said = residuals_words.trained(final, guessing=3.47, lowest=0.91)
    assert "Up to 1 layers" not in said
    assert "At 8 layers the loss stays at 3.45, and pure guessing scores 3.47" in said
    assert "to 1.00–1.20, where 0.91 is the best possible" in said
