"""Home: the road through the labs, true to its own plan, on screen before anything heavy is imported."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from components import warm_up
from pages import home_roadmap as roadmap

ROOT = Path(__file__).parents[2]
NAVIGATION = str(ROOT / "pages" / "navigation.py")


@pytest.fixture
def home() -> AppTest:
    page = AppTest.from_file(NAVIGATION, default_timeout=60).run()
    assert page.title[0].value == "Transformer Labs"
    return page


def html_of(page: AppTest) -> str:
    return "\n".join(element.proto.body for element in page.get("html"))


def architecture_of(page: AppTest) -> dict:
    drawn = [json.loads(part.proto.json) for part in page.get("bidi_component")]
    return next(data for data in drawn if data["kind"] == "architecture")


def test_home_raises_nothing_and_leads_to_lab_1(home):
    assert not home.exception
    home.button(key="home.start").click().run()
    assert home.title[0].value == "Attention from scratch"


def test_a_deep_link_shows_its_path(home):
    home.query_params["path"] = "quick"
    home.run()
    assert home.get_by_key("widget.home.path").value == "quick"
    assert "On the quick path, 6–8 h" in html_of(home)


def test_an_impossible_path_gets_a_sentence_and_the_default(home):
    home.query_params["path"] = "<b>none</b>"
    home.run()
    assert "path must be one of standard, quick, deep" in html_of(home)
    assert "<b>none</b>" not in html_of(home), "the link's text must be escaped"
    assert home.get_by_key("widget.home.path").value == "standard"


@pytest.mark.parametrize("path", roadmap.PATHS, ids=lambda path: path.name)
def test_the_hours_of_the_labs_add_up_to_the_hours_of_the_path(path):
    steps = [lab.steps[path.name] for lab in roadmap.LABS]
    numbers = [float(number) for number in re.findall(r"[\d.]+", path.hours)]
    assert sum(step.low for step in steps) == numbers[0]
    if path.hours.endswith("and more"):
        assert all(step.high is None for step in steps)
    else:
        assert sum(step.high for step in steps) == numbers[1]


def test_the_roadmap_lists_every_lab_with_focus_time_and_outcome(home):
    shown = html_of(home)
    for lab in roadmap.LABS:
        assert f'id="lab-{lab.number}"' in shown
        assert lab.focus in shown
        assert lab.outcome in shown
        assert lab.steps["standard"].hours in shown
    for _, objective in roadmap.OBJECTIVES:
        assert objective in shown


def test_every_box_of_the_picture_leads_to_a_lab_that_is_open_exactly_when_it_has_a_page(home):
    boxes = architecture_of(home)["boxes"]
    assert sorted(box["lab"] for box in boxes) == [lab.number for lab in roadmap.LABS]
    for box in boxes:
        assert box["open"] == (roadmap.lab(box["lab"]).page is not None)


def test_labs_are_open_exactly_when_their_page_exists_and_stands_in_the_navigation():
    navigation = Path(NAVIGATION).read_text(encoding="utf-8")
    for lab in roadmap.LABS:
        folder = next((ROOT / "pages").glob(f"lab{lab.number}_*"), None)
        if lab.page is None:
            assert folder is None, f"lab {lab.number} has a folder and is not open"
        else:
            assert (ROOT / "pages" / lab.page).is_file()
            assert lab.page in navigation


def test_clicking_an_open_box_opens_its_lab(home, monkeypatch):
    home.session_state["home.open"] = 1  # what the figure's callback leaves behind
    home.run()
    assert home.title[0].value == "Attention from scratch"


def test_the_warm_up_is_let_go_after_home_is_drawn(monkeypatch):
    calls = []
    monkeypatch.setattr(warm_up, "first_page_drawn", lambda: calls.append("drawn"))
    AppTest.from_file(NAVIGATION, default_timeout=60).run()
    assert calls == ["drawn"]


def test_home_is_drawn_without_importing_anything_heavy():
    program = (
        "import sys\n"
        "from streamlit.testing.v1 import AppTest\n"
        f"page = AppTest.from_file({NAVIGATION!r}, default_timeout=60).run()\n"
        "assert page.title[0].value == 'Transformer Labs', page.title\n"
        "heavy = {'torch', 'transformers', 'tokenizers', 'datasets', 'sklearn', 'altair', 'pandas'}\n"
        "print(','.join(sorted(heavy & set(sys.modules))) or 'nothing')\n"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == "nothing"
