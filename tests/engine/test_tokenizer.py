"""Training, encoding and files of the tokenizer, against `tokenizers`, tiktoken's rule, and the plain algorithm."""

import json
import random
import sysconfig
from collections import Counter
from pathlib import Path

import pytest
import regex
import tiktoken
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import models, pre_tokenizers, trainers

from engine.tokenizer import GPT2_PATTERN, GPT4_PATTERN, BPETokenizer, Merge
from engine.tokenizer.alphabet import BYTES, from_visible, visible
from engine.tokenizer.counting import count_corpus
from engine.tokenizer.learning import learn
from engine.tokenizer.merges import Merges
from engine.tokenizer.plain import learn_plainly

SOURCES = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))[:25]
CODE = "\n".join(path.read_text(encoding="utf-8") for path in SOURCES)
AWKWARD = (
    "I'LL don't  stop\u00a0here\n\n  12345 \t x\x1c!\x1c \x85é🙂 naïve 東京タワー שלום\r\n  end   ",
    "   ",
    "\n\n\n a\n \n\tb",
    "a\u3000b\u2028c\u200bd",
    "x" * 70 + " " + "y" * 70,
)


def theirs_trained(texts, vocab_size, min_count=0, pattern=GPT2_PATTERN):
    """`tokenizers`' own trainer on the same pieces."""
    theirs = tokenizers.Tokenizer(models.BPE())
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=pattern == GPT2_PATTERN)
    if pattern != GPT2_PATTERN:
        split = pre_tokenizers.Split(tokenizers.Regex(pattern), "isolated")
        byte_level = pre_tokenizers.Sequence([split, byte_level])
    theirs.pre_tokenizer = byte_level
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=min_count,
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    theirs.train_from_iterator(texts, trainer)
    return theirs


def their_merges(theirs) -> list[tuple[bytes, bytes]]:
    return [tuple(map(from_visible, merge)) for merge in json.loads(theirs.to_str())["model"]["merges"]]


def words_of(text: str) -> dict[bytes, int]:
    return {piece.encode(): count for piece, count in Counter(regex.findall(GPT2_PATTERN, text)).items()}


@pytest.fixture(scope="module")
def trained() -> BPETokenizer:
    return BPETokenizer.train([CODE, *AWKWARD], 1500, special_tokens=["<|end|>", "<|end|>x"])


@pytest.mark.parametrize("pattern", [GPT2_PATTERN, GPT4_PATTERN], ids=["gpt2", "gpt4"])
def test_real_text_gives_the_merges_of_tokenizers(pattern):
    ours = BPETokenizer.train([CODE, *AWKWARD], 3000, pattern=pattern)
    theirs = theirs_trained([CODE, *AWKWARD], 3000, pattern=pattern)
    assert ours.merges == their_merges(theirs)
    assert {visible(token): number for token, number in ours.vocab.items()} == theirs.get_vocab()


def test_random_strings_full_of_ties_give_the_merges_of_tokenizers_and_of_the_plain_trainer():
    generator = random.Random(0)
    for _ in range(60):
        text = "".join(generator.choices("ab ", k=generator.randrange(1, 300)))
        ours = BPETokenizer.train(text, 300).merges
        assert ours == their_merges(theirs_trained([text], 300)), repr(text)
        plain = [merge.pair for merge in learn_plainly(words_of(text), BYTES, 300)]
        assert [merge.pair for merge in learn(words_of(text), BYTES, 300)] == plain, repr(text)


def test_the_fast_and_the_plain_trainer_are_equal_on_real_text_counts_included():
    words = words_of(CODE[:60_000])
    assert list(learn(words, BYTES, 600)) == list(learn_plainly(words, BYTES, 600))


@given(st.lists(st.text(alphabet="abc", min_size=1, max_size=150), min_size=1, max_size=6), st.integers(1, 3))
@settings(max_examples=80, deadline=None)
def test_the_two_trainers_are_equal_on_long_words_that_overlap_themselves(words, min_count):
    counted = {word.encode(): count for word, count in Counter(words).items()}
    ours = list(learn(counted, BYTES, 290, min_count))
    reused = any(merge.new_id != 256 + rank for rank, merge in enumerate(ours))
    if not reused:  # tokenizers counts a reused token's pairs twice, and the fast trainer does as tokenizers does
        assert ours == list(learn_plainly(counted, BYTES, 290, min_count))


def test_min_count_and_an_exhausted_corpus_end_the_training_early():
    assert len(BPETokenizer.train("abc abd xyz", 400).merges) == 7
    assert len(BPETokenizer.train("abc abd xyz", 400, min_count=2).merges) == 1
    assert len(BPETokenizer.train("", 400)) == 256
    assert len(BPETokenizer.train([], 400, special_tokens=["<s>"])) == 257


def test_every_merge_is_reported_as_it_is_learned_and_the_listener_can_stop():
    told: list[Merge] = []
    ours = BPETokenizer.train("low lower lowest low", 270, on_merge=told.append)
    assert [merge.rank for merge in told] == list(range(len(told)))
    assert told[0] == Merge(0, (ours.vocab[b"l"], ours.vocab[b"o"]), 256, 4, b"lo")

    def stop(merge: Merge) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        BPETokenizer.train("low lower", 270, on_merge=stop)


def test_special_tokens_are_not_learned_from():
    with_specials = BPETokenizer.train("aa<|x|>bb<|x|>aa", 300, special_tokens=["<|x|>"])
    without = BPETokenizer.train(["aa", "bb", "aa"], 299)
    assert with_specials.merges == without.merges
    assert with_specials.special_tokens == {"<|x|>": len(without)}


@pytest.mark.parametrize("pattern", [GPT2_PATTERN, GPT4_PATTERN, r"\w+", r"[aeiou]|\d"], ids=["gpt2", "gpt4", "w", "v"])
def test_several_processes_count_what_one_pattern_search_finds(pattern, monkeypatch):
    monkeypatch.setattr("engine.tokenizer.counting.WORTH_A_HELPER", 100_000)
    monkeypatch.setattr("engine.tokenizer.counting.PART", 50_000)
    text = CODE + "".join(AWKWARD)
    whole = Counter()
    end = 0
    for match in regex.finditer(pattern, text):
        whole.update([text[end : match.start()], match.group()])
        end = match.end()
    whole.update([text[end:]])
    del whole[""]
    for processes in (1, 2, 3):
        assert count_corpus(text, pattern, processes=processes) == whole


def test_a_corpus_may_be_a_stream_that_is_read_once():
    lines = CODE.splitlines(keepends=True)[:2000]
    assert BPETokenizer.train(iter(lines), 400).merges == BPETokenizer.train(lines, 400).merges


def gpt2_files() -> tuple[Path, Path]:
    import os

    folder = Path(os.environ.get("LABS_DATA", "")) / "gpt2"
    if not os.environ.get("LABS_DATA") or not folder.is_dir():
        pytest.skip("LABS_DATA names no folder with gpt2/encoder.json and gpt2/vocab.bpe")
    return folder / "encoder.json", folder / "vocab.bpe"


def test_gpt2_files_give_gpt2s_ids(tmp_path):
    ours = BPETokenizer.from_gpt2_files(*gpt2_files())
    assert len(ours) == 50_257
    assert ours.special_tokens == {"<|endoftext|>": 50_256}
    assert ours.encode("Hello world, tokenization of lowest numbers 12345") == [
        15496, 995, 11, 11241, 1634, 286, 9016, 3146, 17031, 2231
    ]  # fmt: skip
    ours.save(tmp_path / "tokenizer.json")
    theirs = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    for text in (CODE[:200_000], *AWKWARD):
        assert ours.encode(text) == theirs.encode(text).ids


def test_ours_and_tokenizers_agree_on_the_saved_file_and_it_comes_back(trained, tmp_path):
    trained.save(tmp_path / "tokenizer.json")
    theirs = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    again = BPETokenizer.load(tmp_path / "tokenizer.json")
    assert (again.vocab, again.merges, again.special_tokens) == (trained.vocab, trained.merges, trained.special_tokens)
    for text in (CODE[:50_000], *AWKWARD, "a<|end|>b<|end|>xc"):
        assert trained.encode(text, allowed_special="all") == theirs.encode(text).ids
        assert again.encode(text) == trained.encode(text)
        assert theirs.decode(trained.encode(text)) == text


def test_tiktoken_gives_the_same_ids_with_the_same_merges(trained):
    theirs = tiktoken.Encoding("ours", pat_str=GPT2_PATTERN, mergeable_ranks=trained.vocab, special_tokens={})
    for text in (CODE[:100_000], *AWKWARD):
        assert trained.encode(text) == theirs.encode_ordinary(text)


def test_a_tokenizer_of_transformers_loads_the_file(trained, tmp_path):
    from transformers import PreTrainedTokenizerFast

    trained.save(tmp_path / "tokenizer.json")
    theirs = PreTrainedTokenizerFast(tokenizer_file=str(tmp_path / "tokenizer.json"))
    assert theirs("def f(x):\n    return x").input_ids == trained.encode("def f(x):\n    return x")


def test_what_tokenizers_trained_is_loaded(tmp_path):
    for pattern in (GPT2_PATTERN, GPT4_PATTERN):
        theirs = theirs_trained([CODE], 700, pattern=pattern)
        theirs.save(str(tmp_path / "theirs.json"))
        ours = BPETokenizer.load(tmp_path / "theirs.json")
        assert ours.pattern == pattern
        for text in AWKWARD:
            assert ours.encode(text) == theirs.encode(text).ids


@given(st.text(alphabet="abcde thn'.\n", max_size=120))
@settings(max_examples=150, deadline=None)
def test_all_ways_of_applying_merges_are_the_rule_as_it_stands(trained, text):
    merges, piece = trained._merges, text.encode()
    rule = merges.apply_plainly(piece)
    assert merges.apply(piece) == rule
    assert merges._join_in_a_row(piece) == rule
    assert merges._join_with_a_heap([trained.vocab[bytes([byte])] for byte in piece]) == rule


def test_merges_in_an_order_no_trainer_gives_are_still_applied_by_rank():
    ids = {single: number for number, single in enumerate(BYTES)}
    a, b, c = (ids[letter] for letter in (b"a", b"b", b"c"))
    # "bc" is learned only after it is used with "a": rank 0 joins a + bc, rank 1 makes bc.
    merges = Merges(ids, [(a, 256, 257), (b, c, 256), (257, b, 258)])
    piece = b"abcabcbcabcb" * 10
    assert merges.apply(piece) == merges.apply_plainly(piece)


@given(st.text(max_size=200))
@settings(max_examples=300, deadline=None)
def test_decoding_gives_back_any_text_and_the_tokens_join_to_it(trained, text):
    ids = trained.encode(text)
    assert trained.decode(ids) == text
    tokens = trained.tokens(text)
    assert b"".join(token.bytes for token in tokens) == text.encode()
    assert [token.id for token in tokens] == ids
    assert len(ids) <= len(text.encode())
    for token in tokens:
        assert token.bytes in text[token.start : token.end].encode()
        assert token.end > token.start


def test_user_text_never_becomes_a_special_token_unless_it_is_allowed(trained):
    special = trained.special_tokens["<|end|>"]
    longer = trained.special_tokens["<|end|>x"]
    assert special not in trained.encode("a<|end|>b")
    assert trained.encode("a<|end|>b", allowed_special="all")[1:-1] == [special]
    assert trained.encode("<|end|>x", allowed_special="all") == [longer]
    assert trained.encode("<|end|>x", allowed_special=["<|end|>"]) == [special, *trained.encode("x")]
    assert trained.decode([special]) == "<|end|>"
    with pytest.raises(ValueError, match="allowed_special must name special tokens"):
        trained.encode("a", allowed_special=["<|no|>"])


def test_a_token_that_is_part_of_a_character_spans_it():
    tokenizer = BPETokenizer.train("", 256)
    spans = [(token.start, token.end) for token in tokenizer.tokens("aé🙂")]
    assert spans == [(0, 1), (1, 2), (1, 2), (2, 3), (2, 3), (2, 3), (2, 3)]
    assert tokenizer.decode(tokenizer.encode("🙂")[:2]) == "\ufffd"
    with pytest.raises(UnicodeDecodeError):
        tokenizer.decode(tokenizer.encode("🙂")[:2], errors="strict")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"vocab_size": 255}, "vocab_size must be a whole number of at least 256"),
        ({"vocab_size": 257, "special_tokens": ["<a>", "<b>"]}, "at least 258"),
        ({"vocab_size": 300, "special_tokens": ["<a>", "<a>"]}, "'<a>' stands there twice"),
        ({"vocab_size": 300, "special_tokens": [""]}, "not empty"),
        ({"vocab_size": 300, "min_count": 0}, "min_count must be"),
        ({"vocab_size": 300, "pattern": "("}, "pattern must be a regular expression"),
    ],
)
def test_wrong_arguments_are_sentences(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        BPETokenizer.train("some text", **arguments)


def test_text_that_is_no_text_is_refused_with_its_place():
    with pytest.raises(ValueError, match="text 2 is a bytes"):
        BPETokenizer.train(["a", b"b"], 300)
    with pytest.raises(ValueError, match="position 2 is half a surrogate pair"):
        BPETokenizer.train("ab\ud800", 300)
    with pytest.raises(ValueError, match="position 1 is half a surrogate pair"):
        BPETokenizer.train("", 256).encode("é"[:0] + "x\udc00")
    with pytest.raises(ValueError, match="ids must be ids of this vocabulary"):
        BPETokenizer.train("", 256).decode([256])


def test_ids_with_a_gap_are_not_written_because_tokenizers_would_number_them_anew(tmp_path):
    vocab = {single: number for number, single in enumerate(BYTES)}
    with pytest.raises(ValueError, match="without a gap"):
        BPETokenizer(vocab, [], special_tokens={"<s>": 300}).save(tmp_path / "tokenizer.json")


def test_files_that_do_not_fit_are_refused(tmp_path, trained):
    content = {visible(single): number for number, single in enumerate(BYTES)}
    (tmp_path / "vocab.json").write_text(json.dumps(content), encoding="utf-8")
    (tmp_path / "merges.txt").write_text("#version: 0.2\na b\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"merge 1 .* needs b'ab'"):
        BPETokenizer.from_gpt2_files(tmp_path / "vocab.json", tmp_path / "merges.txt")
    (tmp_path / "merges.txt").write_text("a b c\n", encoding="utf-8")
    with pytest.raises(ValueError, match="line 1"):
        BPETokenizer.from_gpt2_files(tmp_path / "vocab.json", tmp_path / "merges.txt")
    (tmp_path / "vocab.json").write_bytes(b"\xff\xfe{")
    with pytest.raises(ValueError, match="must be a JSON file"):
        BPETokenizer.load(tmp_path / "vocab.json")
    tokenizers.Tokenizer(models.WordPiece()).save(str(tmp_path / "piece.json"))
    with pytest.raises(ValueError, match="must hold a BPE model"):
        BPETokenizer.load(tmp_path / "piece.json")
