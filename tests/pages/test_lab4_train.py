"""Lab 4, section 3: a corpus becomes a tokenizer that is kept; what is wrong is said and nothing is lost."""

import json
import time

import pytest
import tokenizers as library

from components import tokenizers
from engine import jobs, kept, kept_corpora
from engine.experiments.tokenizer_training import TokenizerTrainingConfig
from engine.tokenizer import saved
from pages.lab4_tokenizer import train, train_corpus

STORY = "The little boat went out to sea. The sea was calm, and the boat was small.\n" * 30


def curves(page, title: str) -> list[dict]:
    plots = [plot for figure in page.figures("plots") for plot in figure["plots"]]
    return next(plot["series"] for plot in plots if plot["title"].startswith(title))


def trained(page) -> jobs.Record:
    """Presses Train and waits for the run's end."""
    page.press("Train")
    run_id = page.link()["t_run"]
    give_up = time.monotonic() + 20
    while jobs.status(run_id).active and time.monotonic() < give_up:
        time.sleep(0.05)
    page.run()
    return jobs.record(run_id)


def disabled(page, label: str) -> bool:
    return next(button for button in page.app.button if button.label == label).disabled


def test_the_stored_run_is_on_screen_at_once_and_agrees_with_the_libraries(open_lab4):
    page = open_lab4("train")
    stored = jobs.stored(train.STORED)
    (line,) = curves(page, "Bytes per token")
    assert line["y"][-1] == stored.result["bytes_per_token"]
    assert line["x"][-1] == 2048
    assert "<b>Stories, vocabulary 2,048, GPT-2’s pattern</b>. 1,792 of 1,792 merges learned" in page.html()
    assert "all 1,792 merges equal those of tokenizers’ BpeTrainer" in page.html()
    assert "labs-audit-fails" not in page.html().replace(".labs-audit-fails", "")
    assert f"{stored.result['bytes_per_token']:.2f} bytes" in page.html()
    assert not disabled(page, "Train")


def test_own_text_is_trained_on_named_saved_and_offered(open_lab4):
    page = open_lab4("train", t_from="paste", t_text=STORY, t_size="384", t_special="<|end|>")
    run = trained(page)
    assert kept_corpora.corpus_text(run.config.corpus) == STORY
    assert run.config.special_tokens == ("<|end|>",)
    assert len(curves(page, "How often")) == 2, "the stored run stays behind"
    assert "Pasted text, vocabulary 384" in page.html()
    assert "✓" in page.html()
    assert "merges equal those of tokenizers’ BpeTrainer" in page.html()
    page.set("t_name", "Boats <b>")
    page.press("Save")
    (one,) = tokenizers.saved()
    assert (one.title, one.special_tokens) == ("Boats <b>", ("<|end|>",))
    assert "Saved as <b>Boats &lt;b&gt;</b>" in page.html()
    theirs = library.Tokenizer.from_str(kept.content(saved.KIND, one.id).decode())
    assert theirs.encode("The boat").ids == tokenizers.get(f"my:{one.id}").encode("The boat")


@pytest.mark.parametrize(
    ("link", "said"),
    [
        ({"t_from": "paste"}, "Your text is empty"),
        ({"t_from": "paste", "t_text": "x"}, "more than one character"),
        ({"t_from": "file"}, "Choose a file"),
        ({"t_from": "file", "t_file": "a" * 32}, "it is not here"),
        ({"t_from": "hub"}, "Press Fetch"),
        ({"t_size": "256", "t_special": "&lt;e"}, "at least 257, for the alphabet of 256 bytes"),
        ({"t_special": "a\nb\na"}, "special tokens must differ"),
        ({"t_special": "a\n\nb"}, "line 2 is empty"),
        ({"t_pattern": "own", "t_own": "("}, "must be a regular expression"),
        ({"t_pattern": "own", "t_own": ""}, "it is empty"),
    ],
)
def test_what_cannot_be_trained_is_said_and_train_waits(open_lab4, link, said):
    page = open_lab4("train", **link)
    assert said in page.html()
    assert disabled(page, "Train")
    assert {name: value for name, value in link.items() if value and value != "a" * 32}.items() <= page.link().items()
    assert curves(page, "Bytes per token"), "the figure stays"


@pytest.mark.parametrize(
    ("link", "said"),
    [
        ({"t_size": "100"}, "t_size must be one of"),
        ({"t_min": "0"}, "t_min must be a whole number from 1 to 100"),
        ({"t_run": "abc"}, "run_id must be 32 hexadecimal digits"),
        ({"t_corpus": "poems"}, "t_corpus must be one of"),
    ],
)
def test_an_impossible_link_says_so_and_shows_the_default(open_lab4, link, said):
    page = open_lab4("train", **link)
    assert said in page.html()
    assert not disabled(page, "Train")


@pytest.mark.parametrize(
    ("name", "raw", "said"),
    [
        ("old.txt", b"caf\xe9 au lait", "byte 3 (0xE9, in line 1) is none"),
        ("rows.jsonl", b'{"text": "a b"}\n{"text"\n', "line 2 is none"),
        ("photo.txt", b"\x89PNG\0\0", "it is a PNG picture"),
        ("empty.txt", b"", "it is empty"),
    ],
)
def test_a_file_is_kept_whatever_is_wrong_with_it(open_lab4, name, raw, said):
    page = open_lab4("train")
    identity = kept_corpora.keep_upload(raw, name, train_corpus.corpus_files.kind_of(name))
    page = open_lab4("train", t_from="file", t_file=identity)
    assert said in page.html()
    assert f"Kept: <b>{name}</b>" in page.html()
    assert disabled(page, "Train")
    assert page.link()["t_file"] == identity


def test_wrong_bytes_can_be_replaced_or_read_in_the_old_encoding(open_lab4):
    page = open_lab4("train")
    identity = kept_corpora.keep_upload(b"caf\xe9 au lait, d\xe9j\xe0 vu", "old.txt", "txt")
    page = open_lab4("train", t_from="file", t_file=identity)
    page.set("t_bytes", "cp1252")
    assert not disabled(page, "Train")
    assert kept_corpora.corpus_text(trained(page).config.corpus) == "café au lait, déjà vu"


def test_a_csvs_column_can_be_chosen_and_a_missing_one_is_named(open_lab4):
    page = open_lab4("train")
    identity = kept_corpora.keep_upload(b"id,story\n1,once upon a time\n2,the end\n", "rows.csv", "csv")
    page = open_lab4("train", t_from="file", t_file=identity, t_column="tale")
    assert "no column &#x27;tale&#x27;; its columns are &#x27;id&#x27;, &#x27;story&#x27;" in page.html()
    page = open_lab4("train", t_from="file", t_file=identity)
    assert kept_corpora.corpus_text(trained(page).config.corpus) == "once upon a time\nthe end"


def test_a_run_that_was_stopped_before_it_began_says_so_and_offers_nothing_to_keep(open_lab4):
    page = open_lab4("train")
    run_id = jobs.submit("train-tokenizer", TokenizerTrainingConfig(), paused=True)
    jobs.stop(run_id)
    page = open_lab4("train", t_run=run_id)
    assert "Waiting for its first numbers" in page.html()
    assert "Save" not in [button.label for button in page.app.button]
    page.press("Stored run")
    assert "Save" in [button.label for button in page.app.button]


def test_the_own_pattern_is_shown_on_a_sentence(open_lab4):
    page = open_lab4("train", t_pattern="own", t_own=r"\w+| ", t_try="two words")
    assert "3 pieces:" in page.html()
    assert ">words</code>" in page.html()


def test_each_suggestion_sets_what_it_says(open_lab4):
    page = open_lab4("train")
    page.press("12 languages, 8,192")
    assert (page.link()["t_corpus"], page.link()["t_size"]) == ("languages", "8192")
    page.press("Only pairs met 20 times")
    assert page.link()["t_min"] == "20"
    page.press("Reset")
    assert page.link() == {"section": "train"}


def test_without_a_network_the_hub_answers_with_a_sentence(open_lab4, monkeypatch):
    def no_way(*args, **options):
        raise ValueError("it cannot be reached from this machine")

    monkeypatch.setattr(train_corpus.corpora, "hub_texts", no_way)
    page = open_lab4("train", t_from="hub")
    page.press("Fetch")
    assert "it cannot be reached from this machine" in page.html()
    monkeypatch.setattr(train_corpus.corpora, "hub_texts", lambda *args, **options: iter(["one tale", "two tales"]))
    page.press("Fetch")
    assert "cannot be reached" not in page.html()
    assert kept_corpora.upload_content(page.link()["t_fetched"]) == b"one tale\ntwo tales"
    assert not disabled(page, "Train")


def test_a_brought_tokenizer_is_saved_or_refused(open_lab4, monkeypatch):
    open_lab4("train")
    content = saved.file_content(tokenizers.bundled())
    broken = json.loads(content)
    broken["model"]["merges"].append(["zz", "q"])

    class Given:
        name = "mine.json"

        def __init__(self, raw: bytes) -> None:
            self.getvalue = lambda: raw

    session: dict = {}
    monkeypatch.setattr(train.train_keep.st, "session_state", session)
    session[train.train_keep.UPLOADER] = Given(json.dumps(broken).encode())
    train.train_keep._take()
    assert "which is not in it" in session[f"{train.train_keep.UPLOADER}.said"][1]
    session[train.train_keep.UPLOADER] = Given(content)
    train.train_keep._take()
    assert [one.title for one in tokenizers.saved()] == ["mine"]
