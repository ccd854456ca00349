"""Plots as values: what the browser is given is what the page computed."""

import json
import math

import pytest
import torch

from components.figures import plots

LOSS = plots.Series("loss", [0, 10, 20], [4.6, float("nan"), 1.5])


@pytest.fixture
def drawn(monkeypatch):
    """The data of the plots that were drawn."""
    held = []
    monkeypatch.setattr(plots.drawing, "draw", lambda kind, data, **rest: held.append((kind, data, rest)))
    return held


def test_what_is_missing_or_not_finite_is_a_gap():
    assert plots.numbers([1, None, math.nan, math.inf, -math.inf, 2.5]) == [1.0, None, None, None, None, 2.5]
    assert plots.numbers(torch.tensor([0.5, math.nan])) == [0.5, None]


def test_the_browser_gets_every_value_and_no_number_that_json_cannot_hold(drawn):
    plots.draw([plots.Plot("Loss", [LOSS], marks=[(5, "warm-up ends")], y_range=(0, None))], key="k", per_row=2)
    kind, data, rest = drawn[0]
    (plot,) = data["plots"]
    (series,) = plot["series"]
    assert kind == "plots"
    assert data["perRow"] == 2
    assert (series["x"], series["y"]) == ([0.0, 10.0, 20.0], [4.6, None, 1.5])
    assert plot["yRange"] == [0, None]
    assert plot["xRange"] == [None, None]
    assert plot["marks"] == [[5.0, "warm-up ends"]]
    json.dumps(data, allow_nan=False)
    assert rest["alt"] == "Loss: loss 4.6 at 0 to 1.5 at 20"


def test_plots_are_clickable_only_where_the_page_listens(drawn):
    plots.draw([plots.Plot("Loss", [LOSS])], key="a")
    plots.draw([plots.Plot("Loss", [LOSS])], key="b", on_change=lambda: None, selected=10)
    assert [data["selectable"] for _, data, _ in drawn] == [False, True]
    assert [data["selected"] for _, data, _ in drawn] == [None, 10]


def test_the_alt_text_says_where_each_line_begins_and_ends():
    plot = plots.Plot("Loss", [LOSS, plots.Series("new", [3], [2.0]), plots.Series("later", [], [])], x_title="step")
    assert plots.describe([plot]) == "Loss: loss 4.6 at step 0 to 1.5 at step 20, new 2 at step 3"
    assert plots.describe([plots.Plot("Loss", [])]) == "Loss: no values yet"
    assert plots.describe([plot] * 6).endswith("; and 2 more")


def test_a_series_with_too_few_values_says_so(drawn):
    with pytest.raises(ValueError, match="'loss' needs as many x as y, got 2 and 1"):
        plots.draw([plots.Plot("Loss", [plots.Series("loss", [1, 2], [1.0])])], key="k", alt="a")
