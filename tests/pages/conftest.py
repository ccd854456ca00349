"""What the page tests share: a page opened as a link opens it, and what stands on it."""

import base64
import functools
import json
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

NAVIGATION = Path(__file__).parents[2] / "pages" / "navigation.py"
LABS = {
    "lab1": ("lab1_attention/page.py", "Attention from scratch"),
    "lab2": ("lab2_block/page.py", "The transformer block"),
    "lab4": ("lab4_tokenizer/page.py", "Train a tokenizer"),
    "lab6": ("lab6_generation/page.py", "Generate text"),
}


class OpenPage:
    """A page under test, in the words of the people who use it."""

    def __init__(self, app: AppTest, lab: str):
        self.app, self.lab = app, lab

    def title(self) -> str:
        return self.app.title[0].value

    def html(self) -> str:
        """All prose of the page, as it was given to the browser."""
        return "\n".join(element.proto.body for element in self.app.get("html"))

    def figure(self, kind: str) -> dict:
        """The data of the first browser figure of this kind."""
        return self.figures(kind)[0]

    def figures(self, kind: str) -> list[dict]:
        held = [json.loads(element.proto.json) for element in self.app.get("bidi_component")]
        return [data for data in held if data["kind"] == kind]

    def widget(self, name: str):
        """The control of the parameter `name`."""
        return self.app.get_by_key(f"widget.{self.lab}.{name}")

    def press(self, label: str) -> None:
        next(button for button in self.app.button if button.label == label).click()
        self.run()

    def set(self, name: str, value) -> None:
        self.widget(name).set_value(value)
        self.run()

    def run(self) -> None:
        self.app.run()
        assert not self.app.exception, self.app.exception[0].value

    def link(self) -> dict[str, str]:
        return {name: value[0] if isinstance(value, list) else value for name, value in self.app.query_params.items()}


def floats(panel: dict) -> np.ndarray:
    """The numbers of one panel of a heat map, as a matrix."""
    values = np.frombuffer(base64.b64decode(panel["values"]), dtype="<f4")
    return values.reshape(len(panel["rows"]), len(panel["columns"]))


@pytest.fixture
def open_lab(tmp_path, monkeypatch):
    """Opens a section of a lab as a link would: open_lab("lab1", "masks", window="3")."""
    monkeypatch.setenv("LABS_HOME", str(tmp_path))
    monkeypatch.setattr("components.controls.MOMENT", 0.0)  # no browser is behind, and tests are quicker than people

    def open_section(lab: str, section: str, **link: str) -> OpenPage:
        script, title = LABS[lab]
        app = AppTest.from_file(str(NAVIGATION), default_timeout=60)
        app.run()
        app.query_params.update({"section": section, **link})
        page = OpenPage(app.switch_page(script), lab)
        page.run()
        assert page.title() == title
        return page

    return open_section


@pytest.fixture
def open_lab1(open_lab):
    """Opens a section of Lab 1: open_lab1("masks", window="3")."""
    return functools.partial(open_lab, "lab1")


@pytest.fixture
def open_lab2(open_lab):
    """Opens a section of Lab 2: open_lab2("norm", eps="1")."""
    return functools.partial(open_lab, "lab2")


@pytest.fixture
def open_lab4(open_lab):
    """Opens a section of Lab 4: open_lab4("merges", rank="3")."""
    return functools.partial(open_lab, "lab4")


@pytest.fixture
def open_lab6(open_lab):
    """Opens a section of Lab 6: open_lab6("step", top_k="5")."""
    return functools.partial(open_lab, "lab6")
