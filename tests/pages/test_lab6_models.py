"""Lab 6 with another model: one that is not on this machine, and one whose files are damaged."""

import pytest

from components import language_models, models

SECTIONS = ("step", "decoder", "race", "beam", "constraints", "inside")


@pytest.mark.parametrize("section", SECTIONS)
def test_a_model_that_is_not_here_gets_a_sentence_and_its_download_and_nothing_is_lost(
    open_lab6, monkeypatch, tmp_path, section
):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(language_models.known, "is_available", lambda name: not name.startswith("gpt2"))
    link = {"st_text": "My own words"} if section == "step" else {"prompt": "My own words"}
    page = open_lab6(section, model="gpt2", **link)
    assert "is not on this machine yet: press Download" in page.html()
    assert any(button.label.startswith("Download") for button in page.app.button)
    assert page.link() == {"section": section, "model": "gpt2", **link}
    again = open_lab6(section, **link)
    assert "is not on this machine yet" not in again.html()
    assert again.link() == {"section": section, **link}


def test_a_damaged_model_is_a_sentence_and_the_rest_of_the_page_stays(open_lab6, monkeypatch):
    def damaged(name):
        raise ValueError(f"the weights of {name!r} must have another SHA-256: refused")

    monkeypatch.setattr(models, "language_model", damaged)
    page = open_lab6("step")
    assert "must have another SHA-256: refused" in page.html()
    assert page.widget("st_text").value


@pytest.mark.parametrize("section", SECTIONS)
def test_an_unknown_model_in_a_link_is_named_and_the_bundled_one_shown(open_lab6, section):
    page = open_lab6(section, model="gpt5")
    assert "model must be one of story-lm, gpt2, distilgpt2, smollm2-135m" in page.html()
    assert "model" not in page.link()
