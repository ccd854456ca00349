"""What the page tests share: a page opened as a link opens it, and what stands on it."""

import base64
import json
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

NAVIGATION = Path(__file__).parents[2] / "pages" / "navigation.py"
LAB1 = "Attention from scratch"


class OpenPage:
    """A page under test, in the words of the people who use it."""

    def __init__(self, app: AppTest):
        self.app = app

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
        """The control of the parameter `name` of Lab 1."""
        return self.app.get_by_key(f"widget.lab1.{name}")

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
def open_lab1(tmp_path, monkeypatch):
    """Opens a section of Lab 1 as a link would: open_lab1("masks", window="3")."""
    monkeypatch.setenv("LABS_HOME", str(tmp_path))

    def open_section(section: str, **link: str) -> OpenPage:
        app = AppTest.from_file(str(NAVIGATION), default_timeout=60)
        app.run()
        app.query_params.update({"section": section, **link})
        page = OpenPage(app.switch_page("lab1_attention/page.py"))
        page.run()
        assert page.title() == LAB1
        return page

    return open_section
