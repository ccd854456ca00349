"""The bundled texts and what the hub gives."""

import re
import socket
import sys
import types

import pytest

from engine import corpora, corpora_writer
from engine.tokenizer import BPETokenizer

NAMES = ["stories", "dialogue", "code", "languages", "emoji-numbers"]


def test_every_corpus_has_a_text_of_the_size_it_says():
    found = corpora.corpora()
    assert [corpus.name for corpus in found] == NAMES
    for corpus in found:
        assert corpus.n_bytes == len(corpora.corpus_text(corpus.name).encode()) > 4_000
        assert corpus.licence == "written for this project"
        assert corpus.title
        assert corpus.what


def test_a_corpus_that_there_is_not_is_named():
    with pytest.raises(ValueError, match=r"name must be one of stories, .* got 'novels'"):
        corpora.corpus_text("novels")


@pytest.mark.parametrize("name", corpora_writer.SIZES)
def test_the_writer_gives_the_committed_file_byte_for_byte(name):
    assert corpora_writer.written(name) == corpora.corpus_text(name)


@pytest.mark.parametrize("name", corpora_writer.SIZES)
def test_no_open_place_is_left_and_the_size_is_reached(name):
    text = corpora.corpus_text(name)
    assert not re.search(r"[{}|]|\bnone\b| / ", text)
    assert corpora_writer.SIZES[name] <= len(text.encode()) < 1.1 * corpora_writer.SIZES[name]


def test_the_stories_are_varied_enough_to_train_on():
    text = corpora.corpus_text("stories")
    assert len(set(re.findall(r"\w+", text.lower()))) > 800
    stories = text.strip().split("\n\n")
    assert len(set(stories)) == len(stories) > 50
    assert len(BPETokenizer.train(text, 2048, processes=1)) == 2048


def test_the_code_is_the_engines_own():
    assert "class BPETokenizer" in corpora.corpus_text("code")


def test_the_languages_say_the_same_sentences_in_their_own_scripts():
    texts = corpora.language_texts()
    assert tuple(texts) == corpora.LANGUAGES
    assert len(texts) == 12
    for name, text in texts.items():
        lines = text.splitlines()
        assert len(lines) == 25, name
        assert all(line == line.strip() and line for line in lines), name
    scripts = {
        "Russian": "а-яё",
        "Greek": "α-ωά-ώ",
        "Arabic": "ء-ي",
        "Hindi": "ऀ-ॿ",
        "Chinese": "一-鿿",
        "Japanese": "ぁ-ん",
    }
    for name, letters in scripts.items():
        assert all(re.search(f"[{letters}]", line) for line in texts[name].splitlines()), name
    assert corpora.corpus_text("languages").count("\n") == 12 * 25


def test_each_place_takes_all_its_words_before_one_comes_again():
    writer = corpora_writer.Writer({"plot": ["{thing} (a|b|c)"], "thing": ["x", "y"]}, seed=1)
    told = [writer.write() for _ in range(6)]
    assert {text[-1] for text in told[:3]} == {text[-1] for text in told[3:]} == {"a", "b", "c"}
    assert {text[0] for text in told[:2]} == {text[0] for text in told[2:4]} == {"x", "y"}


def test_parts_outside_a_list_are_refused_with_their_line(tmp_path):
    (tmp_path / "parts.txt").write_text("\nan entry\n", encoding="utf-8")
    with pytest.raises(ValueError, match="line 2 stands in no list"):
        corpora_writer.read_parts(tmp_path / "parts.txt")


# The hub


def test_an_offline_server_says_so_at_once(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.is_offline_mode", lambda: True)
    with pytest.raises(ValueError, match=r"set to work offline .* bundled texts"):
        corpora.hub_texts("roneneldan/TinyStories")


def test_without_a_network_one_sentence_names_the_data_set(monkeypatch):
    def refuse(*address, **options):
        raise OSError("no route")

    monkeypatch.setattr("huggingface_hub.constants.is_offline_mode", lambda: False)
    monkeypatch.setattr("urllib.request.getproxies", dict)
    monkeypatch.setattr(socket, "create_connection", refuse)
    with pytest.raises(ValueError, match=r"roneneldan/TinyStories is on the hub, and .* cannot be reached"):
        corpora.hub_texts("roneneldan/TinyStories")


@pytest.mark.parametrize("name", ["", "a/b/c", "/", "x/ "])
def test_what_is_no_name_of_a_data_set_is_refused_before_any_network(name):
    with pytest.raises(ValueError, match="name must be a data set"):
        corpora.hub_texts(name)


@pytest.mark.parametrize("limit", [0, -1, 10**9])
def test_an_impossible_limit_is_refused(limit):
    with pytest.raises(ValueError, match="limit_bytes must be from 1 to 50,000,000"):
        corpora.hub_texts("a/b", limit_bytes=limit)


@pytest.fixture
def hub(monkeypatch):
    """A hub that answers from this test: set `.rows` or `.error`; `.asked` tells how often a row was fetched."""
    answers = types.SimpleNamespace(rows=[], error=None, asked=0, called=None)

    def load_dataset(path, configuration, *, split, streaming):
        assert (split, streaming) == ("train", True)
        answers.called = path, configuration
        if answers.error:
            raise answers.error
        for row in answers.rows:
            answers.asked += 1
            yield row

    monkeypatch.setitem(sys.modules, "datasets", types.SimpleNamespace(load_dataset=load_dataset))
    monkeypatch.setattr(corpora, "_check_network", lambda name: None)
    return answers


def test_only_as_many_rows_are_fetched_as_the_limit_needs(hub):
    hub.rows = [{"text": "äbc"}, {"text": None}, {"text": "äää"}, {"text": "never fetched"}]
    assert list(corpora.hub_texts("a/b:small", limit_bytes=7)) == ["äbc", "", "ä"]  # 4 bytes, 0, and 3 of 6
    assert (hub.asked, hub.called) == (3, ("a/b", "small"))


def test_a_wrong_column_names_those_that_there_are(hub):
    hub.rows = [{"story": "once", "id": 3}]
    with pytest.raises(ValueError, match=r"column must name a column of texts of a/b \(story\), got 'text'"):
        corpora.hub_texts("a/b")


def test_an_empty_data_set_and_an_error_of_the_hub_are_sentences(hub):
    with pytest.raises(ValueError, match="must hold at least one row"):
        corpora.hub_texts("a/b")
    hub.error = RuntimeError("Dataset 'a/b' doesn't exist\nand much more")
    with pytest.raises(ValueError, match=r"could not be read from the hub: Dataset 'a/b' doesn't exist$"):
        corpora.hub_texts("a/b")
