"""Lines over a number: one specification a kind of chart, so that new numbers repaint and do not rebuild."""

import copy
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import streamlit as st

from components import state
from components.figures import theme

if TYPE_CHECKING:
    import pandas as pd

CANVAS = {"embedOptions": {"renderer": "canvas"}}


def log_log(
    data: "pd.DataFrame",
    *,
    x: str,
    y: str,
    series: str,
    names: Sequence[str],
    roles: Sequence[str],
    key: str,
    alt: str,
    x_title: str,
    y_title: str,
    y_format: str = "~g",
    height: int = 300,
) -> None:
    """Points joined by lines on two logarithmic axes, where a power of x is a straight line.

    data: one row a point, with columns x, y and series. names, roles: each series and the role whose colour it takes;
    the shape of the point tells series apart as well. alt: a sentence from the numbers.
    """
    spec = copy.deepcopy(_log_log_spec(x, y, series, tuple(names), tuple(roles), x_title, y_title, y_format))
    scale = theme.PRESENTER_SCALE if state.presenting() else 1.0
    spec["height"] = height * scale
    spec["config"] = {part: {"labelFontSize": 13 * scale, "titleFontSize": 14 * scale} for part in ("axis", "legend")}
    spec["usermeta"] = CANVAS
    st.vega_lite_chart(data, spec, key=key, alt=alt, width="stretch")


@lru_cache(maxsize=32)
def _log_log_spec(
    x: str,
    y: str,
    series: str,
    names: tuple[str, ...],
    roles: tuple[str, ...],
    x_title: str,
    y_title: str,
    y_format: str,
) -> dict[str, Any]:
    import altair as alt

    colours = [theme.ROLES[role].light for role in roles]
    base = alt.Chart().encode(
        x=alt.X(f"{x}:Q", scale=alt.Scale(type="log", base=2, nice=False), title=x_title).axis(
            format=",d", values=[2**power for power in range(4, 14)], grid=False
        ),
        y=alt.Y(f"{y}:Q", scale=alt.Scale(type="log", nice=True), title=y_title).axis(format=y_format, tickCount=5),
        color=alt.Color(f"{series}:N", sort=None, title=None)
        .scale(domain=list(names), range=colours)
        .legend(orient="top"),
        shape=alt.Shape(f"{series}:N", sort=None, title=None).scale(domain=list(names)),
    )
    chart = base.mark_line(strokeWidth=2.5) + base.mark_point(size=70, filled=True, opacity=1)
    spec = chart.to_dict(validate=False)
    # The numbers travel beside the specification; Altair's stand-in for missing data must not travel with them.
    for part in (spec, *spec["layer"]):
        part.pop("data", None)
        part.pop("datasets", None)
    return spec
