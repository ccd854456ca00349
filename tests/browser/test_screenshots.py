"""A small set of pictures in every run; `python -m tests.browser.screenshots` takes all of them."""

from tests.browser import screenshots


def test_pictures_of_home_and_of_the_real_model_are_taken_in_both_sizes_and_themes(browser, server):
    taken = screenshots.take(browser, server.url, ["home", "lab1-real-model"], presenting=False)
    assert len(taken) == 2 * len(screenshots.SIZES) * len(screenshots.THEMES)
    for file in taken:
        assert file.stat().st_size > 20_000, f"{file.name} is as good as empty"
    assert len({file.read_bytes() for file in taken}) == len(taken), "two themes or sizes look the same"
