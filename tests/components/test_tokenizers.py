"""The tokenizers that sections offer: bundled, saved, GPT-2's and BERT's."""

import json

import pytest

from components import tokenizers
from engine.tokenizer import BPETokenizer, saved
from engine.tokenizer.files import to_json


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("LABS_HOME", str(tmp_path))
    monkeypatch.delenv("LABS_DATA", raising=False)
    monkeypatch.setattr(tokenizers, "_cached_by_the_hub", lambda: None)


@pytest.fixture(scope="module")
def small():
    return BPETokenizer.train("low lower lowest " * 5, 262, special_tokens=["<|end|>"])


CHOICE = tokenizers.tokenizer_choice("k", word_piece=True)


def test_the_bundled_one_has_its_size_and_gives_texts_back():
    found = tokenizers.get("bundled")
    assert len(found) == tokenizers.BUNDLED_SIZE
    assert found.decode(found.encode("Einmal, ñandú 😀")) == "Einmal, ñandú 😀"
    assert tokenizers.get("bundled") is found


def test_a_saved_one_is_offered_found_and_read_back(small):
    identity = tokenizers.save(small, "  My   own ", corpus="three words")
    again = tokenizers.save(small, "Other title", corpus="three words")
    assert identity == again
    (card,) = tokenizers.saved()
    assert (card.id, card.title, card.vocab_size, card.corpus) == (identity, "Other title", 262, "three words")
    assert card.special_tokens == ("<|end|>",)
    assert CHOICE.options == ("bundled", f"my:{identity}", "bert")
    assert CHOICE.parse(f"my:{identity}") == f"my:{identity}"
    assert CHOICE.show(f"my:{identity}") == "Other title"
    assert tokenizers.get(f"my:{identity}").encode("lowest") == small.encode("lowest")


def test_two_saved_ones_of_one_title_are_told_apart(small):
    other = BPETokenizer.train("high higher", 258)
    names = [f"my:{tokenizers.save(one, 'Same')}" for one in (small, other)]
    assert len({CHOICE.show(name) for name in names}) == 2


@pytest.mark.parametrize("raw", ["my:zz", "my:" + "a" * 32, "other", "gpt2", ""])
def test_what_is_not_here_is_refused_with_a_sentence(raw):
    with pytest.raises(ValueError, match=r"hexadecimal|not here|must be one of|Neither is here"):
        CHOICE.parse(raw)
    with pytest.raises(ValueError, match=r"hexadecimal|not here|tokenizer must be|Neither is here"):
        tokenizers.get(raw)


@pytest.mark.parametrize("title", ["", "  ", "x" * 61])
def test_a_name_must_be_one(small, title):
    with pytest.raises(ValueError, match="1 to 60 characters"):
        tokenizers.save(small, title)


def test_gpt2_is_offered_where_its_files_are(tmp_path, monkeypatch, small):
    folder = tmp_path / "data" / "gpt2"
    folder.mkdir(parents=True)
    model = to_json(small)["model"]
    (folder / "encoder.json").write_text(json.dumps(model["vocab"]))
    (folder / "vocab.bpe").write_text("#version: 0.2\n" + "\n".join(map(" ".join, model["merges"])))
    assert not tokenizers.has_gpt2()
    monkeypatch.setenv("LABS_DATA", str(tmp_path / "data"))
    assert CHOICE.parse("gpt2") == "gpt2"
    tokenizers.gpt2.clear()
    assert tokenizers.get("gpt2").encode("lowest") == small.encode("lowest")
    tokenizers.gpt2.clear()


def test_word_piece_tells_its_tokens_with_their_places():
    found = tokenizers.tokens("bert", "Wonderful tokenization")
    assert [(token.bytes, token.start, token.end) for token in found][-2:] == [
        (b"token", 10, 15),
        (b"##ization", 15, 22),
    ]
    with pytest.raises(ValueError, match="must be"):
        tokenizers.get("bert")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda model: model["merges"].append(["zz", "q"]), "needs b'zz'"),
        (lambda model: model["merges"].append(["a"]), "merge 6 is"),
        (lambda model: model["vocab"].pop("a"), "b'a' is missing"),
        (lambda model: model.update(type="WordPiece"), "it holds WordPiece"),
        (lambda model: model.pop("vocab"), "missing or of another kind"),
    ],
)
def test_a_file_that_does_not_fit_itself_is_refused(small, change, said):
    written = to_json(small)
    assert saved.from_content(json.dumps(written).encode(), "mine").merges == small.merges
    change(written["model"])
    with pytest.raises(ValueError, match=said):
        saved.from_content(json.dumps(written).encode(), "mine")


@pytest.mark.parametrize("raw", [b"\xff\xfe", b"[]", b"not json", b"{}"])
def test_a_file_that_is_no_tokenizer_is_refused(raw):
    with pytest.raises(ValueError, match=r"no JSON|must hold a BPE model"):
        saved.from_content(raw, "mine")
