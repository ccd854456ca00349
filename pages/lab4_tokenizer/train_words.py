"""Train it: its sentences and chips, from the numbers of the run on screen."""

from components.text import escape
from engine import kept_corpora
from engine.experiments.tokenizer_training import TokenizerTrainingConfig
from engine.experiments.tokenizer_training_check import Comparison
from engine.jobs import Record
from engine.tokenizer import GPT2_PATTERN, GPT4_PATTERN
from engine.tokenizer.alphabet import from_visible
from pages.lab4_tokenizer.chips import quote

SHOWN = 9  # newest tokens: two rows of chips
PATTERN_NAMES = {GPT2_PATTERN: "GPT-2’s pattern", GPT4_PATTERN: "GPT-4’s pattern"}


def corpus(name: str) -> str:
    """The corpus in words, as HTML."""
    try:
        return escape(kept_corpora.corpus_title(name), 60)
    except ValueError:
        return "a text that is not kept here any more"


def settings(config: TokenizerTrainingConfig) -> str:
    """What a run was asked for, as HTML."""
    said = [
        corpus(config.corpus),
        f"vocabulary {config.vocab_size:,}",
        PATTERN_NAMES.get(config.pattern, "own pattern"),
    ]
    if config.min_count > 1:
        said.append(f"pairs met {config.min_count} times or more")
    if config.special_tokens:
        said.append(f"{len(config.special_tokens)} special token{'s' if len(config.special_tokens) > 1 else ''}")
    return ", ".join(said)


def merges(record: Record) -> list[dict]:
    """The events after the counting."""
    return [event for event in record.events if event["stage"] == "merge"]


def progress(record: Record) -> str:
    """Where the run is, as HTML: reading, or merging."""
    if not record.events:
        return "Waiting for its first numbers …"
    last = record.events[-1]
    if last["stage"] == "count":
        return f"Counting pieces: {last['done'] / max(last['of'], 1):.0%} of the text is read."
    if record.result and not record.result["full"]:
        told = (
            f"Ended after {last['done']:,} merges, before the vocabulary was full: no pair is left that occurs "
            f"{max(record.config.min_count, 1)} time{'s' if record.config.min_count > 1 else ''} or more."
        )
    else:
        told = f"{last['done']:,} of {last['of']:,} merges learned, {last['waiting']:,} pairs in the queue."
    return told


def newest(record: Record) -> str:
    """The newest tokens as chips, the last one first: what was joined, and how often the pair occurred."""
    found = merges(record)
    if not found or not found[-1]["newest"]:
        return ""
    chips = []
    for first, second, count in reversed(found[-1]["newest"][-SHOWN:]):
        parts = from_visible(first), from_visible(second)
        chips.append(
            f"<span class='labs-merge'>{quote(b''.join(parts))}"
            f"<small>{quote(parts[0])} + {quote(parts[1])}, {count:,}×</small></span>"
        )
    return f"<p class='labs-label' style='margin:0'>Newest tokens</p><div class='labs-merges'>{''.join(chips)}</div>"


def notice(record: Record) -> str:
    """What to notice: the first and the last merge, and what the second half of them was worth."""
    found = merges(record)
    done = [event for event in found if event["done"]]
    if not done:
        return (
            "No merge was learned: with nothing but the bytes, each byte is a token. A vocabulary above "
            f"{256 + len(record.config.special_tokens)} leaves room for merges."
        )
    first, last = done[0], done[-1]
    joined = b"".join(map(from_visible, first["newest"][-1][:2]))
    half = max(done, key=lambda event: event["done"] if event["done"] <= last["done"] / 2 else 0)
    early, late = half["bytes_per_token"] - 1, last["bytes_per_token"] - half["bytes_per_token"]
    said = (
        f"The first merge made {quote(joined)}: its pair stood in the text {first['count']:,} times. Merge "
        f"{last['done']:,} joined a pair that stood there {last['count']:,} time{'' if last['count'] == 1 else 's'}."
        f" A token now stands for <b>{last['bytes_per_token']:.2f} bytes</b> of this text, one byte before the first "
        "merge."
    )
    if half["done"] < last["done"]:
        said += (
            f" The first {half['done']:,} merges brought {early:.2f} of that, the other "
            f"{last['done'] - half['done']:,} only {late:.2f}."
            if late < early
            else f" The first {half['done']:,} merges brought {early:.2f} of that, the others {late:.2f}."
        )
    if last["count"] <= 2:
        said += " Pairs met once or twice are memory of this text rather than knowledge of its language."
    return said


def audit(found: Comparison) -> tuple[bool, str]:
    """Whether the libraries agree, and the sentence that says so."""
    wrong = []
    if found.merges_differ_at is not None:
        wrong.append(f"merge {found.merges_differ_at + 1:,} differs from the one of tokenizers’ BpeTrainer")
    if found.ids_differ_at is not None:
        wrong.append(f"id {found.ids_differ_at + 1:,} of the text’s beginning differs in tokenizers")
    if found.transformers_differs_at is not None:
        wrong.append(f"id {found.transformers_differs_at + 1:,} differs in transformers’ PreTrainedTokenizerFast")
    if wrong:
        return False, "; ".join(wrong)
    merged = "" if found.n_merges is None else f"all {found.n_merges:,} merges equal those of tokenizers’ BpeTrainer; "
    return True, (
        f"{merged}{found.n_ids:,} ids of the text’s first 10,000 characters equal those of tokenizers and of "
        "transformers’ PreTrainedTokenizerFast, both loaded from tokenizer.json"
    )
