"""The job that trains a tokenizer, the corpora it names, and the files they come from."""

import json
import time

import pytest

from engine import corpus_files, jobs, kept, kept_corpora
from engine.experiments import tokenizer_training_check
from engine.experiments.tokenizer_training import TokenizerTrainingConfig, seconds, tokenizer_from
from engine.tokenizer import GPT4_PATTERN, BPETokenizer
from engine.tokenizer.own_pattern import try_pattern

STORY = "The little boat went out to sea.<|end|> The sea was calm, and the boat was small; the end.\n" * 40


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("LABS_HOME", str(tmp_path))


def ended(run_id: str, states: tuple[str, ...] = ("finished",)) -> str:
    give_up = time.monotonic() + 30
    while jobs.status(run_id).active and time.monotonic() < give_up:
        time.sleep(0.02)
    assert jobs.status(run_id).state in states, jobs.status(run_id)
    return run_id


@pytest.mark.parametrize("pattern", [None, GPT4_PATTERN, r"\w+| ?[^\w\s]+|\s+"])
def test_the_job_learns_what_training_in_one_call_learns_and_what_the_library_learns(pattern):
    changes = {} if pattern is None else {"pattern": pattern}
    config = TokenizerTrainingConfig(
        kept_corpora.keep_corpus(STORY, "mine"), 300, special_tokens=("<|end|>",), **changes
    )
    run = jobs.record(ended(jobs.submit("train-tokenizer", config)))
    learned = tokenizer_from(config, run.checkpoint())
    ours = BPETokenizer.train(STORY, 300, special_tokens=["<|end|>"], pattern=config.pattern)
    assert (learned.merges, learned.vocab, learned.special_tokens) == (ours.merges, ours.vocab, ours.special_tokens)
    assert len(learned) == run.result["vocab_size"]
    assert run.result["n_tokens"] == len(ours.encode(STORY, allowed_special="all")) - STORY.count("<|end|>")
    found = tokenizer_training_check.compare(config, learned, STORY)
    assert found.n_merges == len(ours.merges) > 20
    assert (found.merges_differ_at, found.ids_differ_at, found.transformers_differs_at) == (None, None, None)


def test_events_tell_of_the_counting_and_of_every_so_many_merges():
    config = TokenizerTrainingConfig(kept_corpora.keep_corpus(STORY, "mine"), 290)
    run = jobs.record(ended(jobs.submit("train-tokenizer", config)))
    counted, first, *_, last = run.events
    assert counted == {"stage": "count", "done": len(STORY), "of": len(STORY)}
    assert (first["done"], first["bytes_per_token"]) == (0, 1.0)
    assert (last["done"], last["of"], len(last["newest"])) == (34, 34, 12)
    assert last["bytes_per_token"] == run.result["bytes_per_token"] > 2
    counts = [event["count"] for event in run.events if event["stage"] == "merge" and event["done"]]
    assert counts == sorted(counts, reverse=True)


def test_training_ends_early_when_no_pair_occurs_often_enough():
    config = TokenizerTrainingConfig(kept_corpora.keep_corpus(STORY, "mine"), 1000, min_count=100)
    run = jobs.record(ended(jobs.submit("train-tokenizer", config)))
    assert not run.result["full"]
    assert run.result["last_count"] >= 100


def test_a_stopped_run_ends_within_two_seconds_and_goes_on_to_the_same_merges():
    words = " ".join(f"{chr(97 + n % 26)}{chr(97 + n // 26 % 26)}{n * n}" for n in range(150_000))
    config = TokenizerTrainingConfig(kept_corpora.keep_corpus(words, "numbers"), 32_768)
    run_id = jobs.submit("train-tokenizer", config)
    while len(jobs.events(run_id)) < 8 and jobs.status(run_id).active:
        time.sleep(0.01)
    start = time.monotonic()
    jobs.stop(run_id)
    assert time.monotonic() - start < 2.5
    ended(run_id, ("stopped",))
    before = jobs.events(run_id)
    partial = jobs.record(run_id).checkpoint()["weights"]["pairs"]
    assert partial
    jobs.resume(run_id)
    ended(run_id)
    whole = jobs.record(run_id)
    assert whole.events[: len(before)] == before
    assert whole.checkpoint()["weights"]["pairs"][: len(partial)] == partial
    done = [event["done"] for event in whole.events if event["stage"] == "merge"]
    assert done == sorted(set(done)), "no event is told twice"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"vocab_size": 256, "special_tokens": ("<e>",)}, "at least 257, for the alphabet of 256 bytes and the 1"),
        ({"vocab_size": 100}, "at least 256"),
        ({"vocab_size": 1_000_000}, "from 0 to 32768"),
        ({"min_count": 0}, "min_count must be"),
        ({"special_tokens": ("a", "a")}, "'a' stands there twice"),
        ({"special_tokens": ("",)}, "not empty, and number 1 is ''"),
        ({"pattern": "("}, "regular expression"),
    ],
)
def test_impossible_settings_are_refused_with_a_sentence(changes, said):
    with pytest.raises(ValueError, match=said.replace("(", r"\(")):
        TokenizerTrainingConfig(**changes)


def test_a_corpus_that_is_gone_ends_the_run_with_a_sentence():
    config = TokenizerTrainingConfig(kept_corpora.MINE + "0" * 32)
    assert seconds(config) > 0
    run_id = ended(jobs.submit("train-tokenizer", config), ("failed",))
    assert "is not here" in jobs.status(run_id).error


def test_a_corpus_is_kept_once_by_its_hash():
    name = kept_corpora.keep_corpus(STORY, "mine")
    assert kept_corpora.keep_corpus(STORY, "again") == name
    assert len(kept.names("corpora")) == 1
    assert kept_corpora.corpus_text(name) == STORY
    assert (kept_corpora.corpus_title(name), kept_corpora.corpus_bytes(name)) == ("again", len(STORY))
    for wrong in ("my:zz", "my:" + "a" * 32, "poems"):
        with pytest.raises(ValueError, match=r"32 hexadecimal|is not here|must be one of"):
            kept_corpora.corpus_bytes(wrong)


@pytest.mark.parametrize(
    ("raw", "kind", "column", "said"),
    [
        (b"", "txt", "", "it is empty"),
        (b" \n ", "txt", "", "it is blank"),
        (b"x", "txt", "", "more than one character"),
        (b"ab\0c", "txt", "", "byte 2 is 0"),
        (b"\x89PNG....", "txt", "", "it is a PNG picture"),
        (b"PK\x03\x04....", "txt", "", "zip archive"),
        ("one\ncafé".encode("latin-1"), "txt", "", r"byte 7 \(0xE9, in line 2\)"),
        (b"\xff\xfea", "txt", "", "UTF-16"),
        (b"id,text\n1,hello\n", "csv", "story", "no column 'story'; its columns are 'id', 'text'"),
        (b"id,text\n1,hello\n2\n", "csv", "text", "line 3 has 1"),
        (b'{"text": "a b"}\n{"text": 1\n', "jsonl", "text", "line 2 is none"),
        (b'{"text": "a b"}\n[1]\n', "jsonl", "text", "line 2 is a list"),
        (b'{"text": "a b"}\n{"body": "x"}\n', "jsonl", "text", "line 2 has only 'body'"),
        (b'{"n": 1}\n', "jsonl", "", "line 1 has none"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_with_its_place(raw, kind, column, said):
    with pytest.raises(ValueError, match=said):
        corpus_files.texts_of(raw, "it", kind, column)


def test_files_give_their_text():
    read = corpus_files.texts_of
    assert read("﻿one two".encode(), "it", "txt") == "one two"
    assert read("one two".encode("utf-16"), "it", "txt") == "one two"
    assert read(b"caf\xe9 au lait", "it", "txt", wrong_bytes="cp1252") == "café au lait"
    assert read(b"caf\xe9 au lait", "it", "txt", wrong_bytes="replace") == "caf� au lait"
    assert read(b'id;story\n1;"two\nlines; yes"\n\n2;end\n', "it", "csv") == "two\nlines; yes\nend"
    assert read(b'{"id": "1", "text": "a tale"}\n\n{"id": "2", "text": "its end"}', "it", "jsonl") == "a tale\nits end"


def test_a_file_above_50_mb_is_refused():
    with pytest.raises(ValueError, match=r"no larger than 50 MB, and it has 51\.0 MB"):
        corpus_files.check_size(51 * 1024 * 1024)


@pytest.mark.parametrize(
    ("pattern", "said"),
    [("", "it is empty"), ("(", "regular expression"), (r"(?V1)[a--b]", "library"), (r"(\w+)+!", "library can use")],
)
def test_an_own_pattern_is_tried_before_it_is_used(pattern, said):
    with pytest.raises(ValueError, match=said):
        try_pattern(pattern, "a" * 60 + " word!")


def test_the_stored_run_is_the_default_and_is_what_the_project_learns_now():
    stored = jobs.stored("train-tokenizer-stories")
    assert stored.config == TokenizerTrainingConfig()
    learned = tokenizer_from(stored.config, stored.checkpoint())
    text = kept_corpora.corpus_text("stories")
    assert learned.merges == BPETokenizer.train(text, 2048).merges
    assert json.dumps(stored.result)
    assert stored.result["n_bytes"] == len(text.encode())
