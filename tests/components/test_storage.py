"""Long texts are kept by what they say, and nothing else can be read by name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components import storage


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory, monkeypatch):
    home = tmp_path_factory.mktemp("labs-home")
    monkeypatch.setenv("LABS_HOME", str(home))
    return home


@given(st.text(alphabet=st.characters(exclude_categories=[]), max_size=300))
def test_every_text_is_found_again_even_with_lone_surrogates(text):
    assert storage.stored_text(storage.keep_text(text)) == text


def test_the_same_text_has_the_same_name_and_is_kept_once(own_home):
    assert storage.keep_text("twice") == storage.keep_text("twice")
    assert len(list((own_home / "texts").iterdir())) == 1, "no partial files are left behind"


def test_newlines_are_kept_as_they_are():
    assert storage.stored_text(storage.keep_text("a\r\nb\rc\n")) == "a\r\nb\rc\n"


@pytest.mark.parametrize("name", ["", "../texts/x", "0" * 31, "0" * 33, "G" * 32, "0" * 31 + "/", "0" * 32 + "\n"])
def test_a_malformed_name_is_refused_before_any_file_is_touched(name):
    with pytest.raises(ValueError, match="32 hexadecimal digits"):
        storage.stored_text(name)


def test_without_labs_home_the_users_cache_folder_is_used(monkeypatch):
    monkeypatch.delenv("LABS_HOME")
    assert storage.labs_home().parts[-2:] == (".cache", "transformer-labs")
