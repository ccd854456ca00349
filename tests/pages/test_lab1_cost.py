"""Lab 1, section 8: what is measured is shown, and measured again only when asked."""

import json

import pyarrow as pa


def chart_rows(page, index: int):
    chart = page.app.get("vega_lite_chart")[index].proto
    holder = chart.datasets[0].data if chart.datasets else chart.data
    return json.loads(chart.spec), pa.ipc.open_stream(holder.data).read_pandas()


def test_both_ways_are_measured_at_every_length_and_the_exponents_are_said(open_lab1):
    page = open_lab1("cost", to="256")
    spec, rows = chart_rows(page, 0)
    assert sorted(rows.seq_len.unique()) == [16, 32, 64, 128, 256]
    assert set(rows.variant) == {"naive", "fused"}
    assert (rows.seconds > 0).all()
    assert (rows.bytes_peak > 0).all()
    assert spec["layer"][0]["encoding"]["x"]["scale"]["type"] == "log"
    assert "Fitted exponents" in page.html()
    assert "ours and torch agree" in page.html()


def test_naive_memory_grows_with_the_square_of_the_length(open_lab1):
    page = open_lab1("cost", to="1024")
    _, rows = chart_rows(page, 1)
    naive = rows[rows.variant == "naive"].set_index("seq_len").bytes_peak
    assert 3.5 < naive[1024] / naive[512] < 4.5  # twice as long: four times the table


def test_a_control_elsewhere_does_not_measure_again_but_the_button_does(open_lab1):
    page = open_lab1("cost", to="256")
    first = chart_rows(page, 0)[1].seconds.tolist()
    page.run()
    assert chart_rows(page, 0)[1].seconds.tolist() == first
    page.press("Measure again")
    assert chart_rows(page, 0)[1].seconds.tolist() != first


def test_the_heads_of_another_section_are_not_the_heads_that_are_measured(open_lab1):
    page = open_lab1("many-heads", heads="8")
    page.set("section", "cost")
    assert page.widget("cost_heads").value == 4
    assert "Fitted exponents" in page.html()
    page.set("section", "many-heads")
    assert len(page.figure("heatmap")["panels"]) == 8
