"""The tokenizer against `tokenizers` and tiktoken: training and encoding the same text in one run.

Text: the interpreter's own library source, 10 MB of it, and TinyStories where LABS_DATA names its folder. `tokenizers`
trains with as many threads as there are cores, ours with as many processes; encoding is single-threaded for all.
"""

import json
import os
import statistics
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import tiktoken
import tokenizers
from tokenizers import models, pre_tokenizers, trainers

from engine.tokenizer import GPT2_PATTERN, BPETokenizer
from engine.tokenizer.alphabet import BYTES, from_visible
from engine.tokenizer.learning import learn
from engine.tokenizer.pieces import PieceCounter
from engine.tokenizer.plain import learn_plainly

MEGABYTES = 10
ROUNDS = 3
SIZES = (8_192, 32_768)


def main() -> None:
    print("| training, median of 3 | ours, s | `tokenizers`, s | ours takes |\n|---|---|---|---|")
    for name, text in texts():
        for size in SIZES:
            training(name, text, size)
    print("\n| training to 512 tokens, 1 MB | fast, s | recount per merge, s | times faster |\n|---|---|---|---|")
    against_recounting(next(texts())[1][:1_000_000])
    print("\n| encoding, MB/s, one thread, median of 3 | ours | `tokenizers` | tiktoken |\n|---|---|---|---|")
    for name, text in texts():
        encoding(name, text)
    print("\n| what must not grow with the square | seconds |\n|---|---|")
    awkward(next(texts())[1])
    print(f"\nTraining on {MEGABYTES} MB takes {training_memory():.0f} MB above the start, all processes together.")


def texts() -> Iterator[tuple[str, str]]:
    yield "Python's library source", library_source()
    folder = Path(os.environ.get("LABS_DATA", "")) / "stories" / "tinystories_train.txt"
    if os.environ.get("LABS_DATA") and folder.exists():
        yield "TinyStories", folder.read_text(encoding="utf-8")[: MEGABYTES * 1_000_000]


def library_source() -> str:
    parts, size = [], 0
    for path in sorted(Path(sysconfig.get_path("stdlib")).rglob("*.py")):
        if "site-packages" in path.parts or size > MEGABYTES * 1_000_000:
            continue
        try:
            parts.append(path.read_text(encoding="utf-8"))
        except UnicodeDecodeError:  # a test file of the library that is wrong on purpose
            continue
        size += len(parts[-1])
    return "".join(parts)[: MEGABYTES * 1_000_000]


def training(name: str, text: str, size: int) -> None:
    ours, theirs = [], []
    for _ in range(ROUNDS):
        ours.append(timed(lambda: BPETokenizer.train(text, size)))
        theirs.append(timed(lambda: trained_by_tokenizers([text], size)))
    row(f"{name}, {len(text) / 1e6:.0f} MB, vocabulary {size:,}", ours, theirs)


def trained_by_tokenizers(parts: list[str], size: int) -> tokenizers.Tokenizer:
    theirs = tokenizers.Tokenizer(models.BPE())
    theirs.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=size, show_progress=False, initial_alphabet=alphabet)
    theirs.train_from_iterator(parts, trainer)
    return theirs


def against_recounting(text: str) -> None:
    counter = PieceCounter(GPT2_PATTERN)
    counter.add(text)
    words = {piece.encode(): count for piece, count in counter.pieces().items()}
    fast = [timed(lambda: list(learn(words, BYTES, 512))) for _ in range(ROUNDS)]
    slow = timed(lambda: list(learn_plainly(words, BYTES, 512)))
    middle = statistics.median(fast)
    print(f"| merges alone, {len(words):,} distinct pieces | {middle:.3f} | {slow:.2f} | {slow / middle:.0f} |")


def encoding(name: str, text: str) -> None:
    """Each encoder meets the text anew: ours forgets what it remembered of the round before."""
    theirs = trained_by_tokenizers([text], 32_768)
    merges = [tuple(map(from_visible, merge)) for merge in json.loads(theirs.to_str())["model"]["merges"]]
    vocab = {from_visible(token): number for token, number in theirs.get_vocab().items()}
    other = tiktoken.Encoding("same merges", pat_str=GPT2_PATTERN, mergeable_ranks=ranks(vocab), special_tokens={})
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    speeds = []
    for encode in (
        lambda: BPETokenizer(vocab, merges).encode,
        lambda: lambda part: theirs.encode(part).ids,
        lambda: other.encode_ordinary,
    ):
        seconds = []
        for _ in range(ROUNDS):
            fresh = encode()
            seconds.append(timed(lambda fresh=fresh: fresh(text)))
        speeds.append(len(text.encode()) / 1e6 / statistics.median(seconds))
    print(f"| {name} | {speeds[0]:.1f} | {speeds[1]:.1f} | {speeds[2]:.1f} |", flush=True)


def ranks(vocab: dict[bytes, int]) -> dict[bytes, int]:
    return dict(sorted(vocab.items(), key=lambda item: item[1]))


def awkward(text: str) -> None:
    ours = BPETokenizer.train(text[:2_000_000], 32_768)
    letters = "".join(chr(97 + (place * 7919 + place // 13) % 26) for place in range(1_000_000))
    for name, sample in (
        ("100,000 times 'a'", "a" * 100_000),
        ("one word of 1 MB", letters),
        ("1 MB of spaces", " " * 1_000_000),
    ):
        print(f"| {name} | {timed(lambda sample=sample: ours.encode(sample)):.2f} |", flush=True)


def training_memory() -> float:
    """MB in use at the peak of a training, helpers included, beyond what is in use when the text has been read."""
    script = (
        "from engine.tokenizer import BPETokenizer\n"
        "from tests.benchmarks.tokenizer import library_source\n"
        "text = library_source()\n"
        "print('read', flush=True)\n"
        "input()\n"
        "BPETokenizer.train(text, 32_768)\n"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", script], **pipes) as process:
        process.stdout.readline()
        before = highest = resident(process.pid)
        process.stdin.write("\n")
        process.stdin.flush()
        while process.poll() is None:
            highest = max(highest, resident(process.pid))
            time.sleep(0.01)
    return highest - before


def resident(pid: int) -> float:
    """MB in use by a process and its children (Linux)."""
    total = 0.0
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                total += int(line.split()[1]) / 1024
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            total += resident(int(child))
    except FileNotFoundError:  # it has just ended
        pass
    return total


def timed(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def row(name: str, ours: list[float], theirs: list[float]) -> None:
    mine, other = statistics.median(ours), statistics.median(theirs)
    print(f"| {name} | {mine:.2f} | {other:.2f} | {mine / other:.2f} times as long |", flush=True)
