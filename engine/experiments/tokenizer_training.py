"""The job "train-tokenizer": byte-pair encoding on a corpus that the config names, told while it goes on.

First the corpus is cut into pieces and the distinct ones are counted, then merges are learned from the counts. The
second part never looks at the text again, which is why a corpus ten times as long takes far less than ten times as long
to learn from.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from engine import kept_corpora
from engine.jobs.handle import Run
from engine.tokenizer import GPT2_PATTERN, BPETokenizer
from engine.tokenizer.alphabet import BYTES, visible
from engine.tokenizer.counting import count_corpus
from engine.tokenizer.learning import Standing, learn
from engine.tokenizer.pieces import check_unicode, cut_at_spaces, segments, splitter

MAX_VOCAB = 32_768
PART = 500_000  # characters between two looks whether to stop
N_EVENTS = 200  # of the merges, about: each is a point of the curves
FIRST_EVENTS = 16  # the first merges are told one by one
NEWEST = 12  # merges told with each event


@dataclass(frozen=True)
class TokenizerTrainingConfig:
    """What decides a tokenizer. corpus: a bundled one’s name, or "my:" and the hash of one kept under LABS_HOME."""

    corpus: str = "stories"
    vocab_size: int = 2048
    pattern: str = GPT2_PATTERN
    min_count: int = 1
    special_tokens: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_whole("min_count", self.min_count, 1, 1_000_000)
        _check_special_tokens(self.special_tokens)
        least, more = len(BYTES), len(self.special_tokens)
        _check_whole("vocab_size", self.vocab_size, 0, MAX_VOCAB)
        if self.vocab_size < least + more:
            specials = f" and the {more} special token{'s' if more > 1 else ''}" if more else ""
            raise ValueError(
                f"vocab_size must be at least {least + more}, for the alphabet of {least} bytes{specials}, "
                f"got {self.vocab_size}"
            )
        splitter(self.pattern)


def seconds(config: TokenizerTrainingConfig) -> float:
    """How long it takes: a start, the counting by the corpus' size, the merges by their number."""
    try:
        megabytes = kept_corpora.corpus_bytes(config.corpus) / 1e6
    except ValueError:
        megabytes = 1.0
    return 0.1 + 0.55 * megabytes + 6e-5 * (config.vocab_size - len(BYTES)) * (1 + 0.1 * megabytes)


def train(run: Run) -> dict | None:
    """Train a tokenizer: events while it counts and while it merges; its merges are the checkpoint's "weights".

    A run that was stopped learns its merges again from the beginning, which gives the same ones: keeping the trainer's
    whole standing would take longer than that.
    """
    pairs: list[list[int]] = []
    try:
        told = _train(run, pairs)
    except _StoppedError:
        told = None
    if pairs or told is not None:
        run.save({"weights": {"pairs": pairs}})
    return told


def _train(run: Run, pairs: list[list[int]]) -> dict:
    config = run.config
    text = kept_corpora.corpus_text(config.corpus)
    counts = count_corpus(_parts(run, text), config.pattern, special=config.special_tokens)
    words = {piece.encode(): count for piece, count in counts.items()}
    n_bytes = sum(len(word) * count for word, count in words.items())
    teller = _Teller(run, n_bytes, config.vocab_size - len(config.special_tokens) - len(BYTES))
    learned = learn(
        words, BYTES, config.vocab_size - len(config.special_tokens), config.min_count, watch=teller.standing_is
    )
    count, tokens, known = 0, list(BYTES), set(BYTES)
    for found in learned:
        pairs.append(list(found.pair))
        first, second = (tokens[part] for part in found.pair)
        if first + second not in known:
            tokens.append(first + second)
            known.add(first + second)
        count = found.count
        teller.merged(first, second, count)
    teller.tell()
    n_tokens = teller.standing.n_tokens()
    return {
        "n_bytes": n_bytes,
        "n_pieces": sum(words.values()),
        "n_distinct": len(words),
        "n_merges": len(pairs),
        "vocab_size": len(tokens) + len(config.special_tokens),
        "n_tokens": n_tokens,
        "bytes_per_token": n_bytes / n_tokens if n_tokens else None,
        "last_count": count,
        "full": len(tokens) + len(config.special_tokens) == config.vocab_size,
    }


class _StoppedError(Exception):
    """The learner asked the run to stop."""


def _look(run: Run) -> None:
    run.wait_while_paused()
    if run.should_stop():
        raise _StoppedError


def _parts(run: Run, text: str) -> Iterator[str]:
    """The corpus in parts, telling how much of it is read. Cut only where pieces and special tokens are cut anyway."""
    config, done = run.config, 0
    may_cut = segments(config.pattern) is not None and not any(" " in token for token in config.special_tokens)
    for part in cut_at_spaces(text, PART) if may_cut else [text]:
        _look(run)
        yield part
        done += len(part)
        run.emit({"stage": "count", "done": done, "of": len(text)})


class _Teller:
    """Tells of the merges: one event each at first, then one every so many, the same ones at every repetition."""

    def __init__(self, run: Run, n_bytes: int, wanted: int) -> None:
        self._run, self._n_bytes, self._wanted = run, n_bytes, wanted
        self._every = max(1, wanted // N_EVENTS)
        self._newest: list[list] = []
        self._done = self._told = 0
        self.standing: Standing | None = None

    def standing_is(self, standing: Standing) -> None:
        """Before the first merge: every byte is a token."""
        self.standing = standing
        self.tell()

    def merged(self, first: bytes, second: bytes, count: int) -> None:
        self._done += 1
        self._newest = [*self._newest[1 - NEWEST :], [visible(first), visible(second), count]]
        if self._done <= FIRST_EVENTS or self._done % self._every == 0:
            self.tell()

    def tell(self) -> None:
        if self._done == self._told and self._done:
            return
        self._told = self._done
        n_tokens = self.standing.n_tokens()
        self._run.emit(
            {
                "stage": "merge",
                "done": self._done,
                "of": self._wanted,
                "waiting": self.standing.n_waiting(),
                "count": self._newest[-1][2] if self._newest else None,
                "n_tokens": n_tokens,
                "bytes_per_token": self._n_bytes / n_tokens if n_tokens else None,
                "newest": self._newest,
            }
        )
        _look(self._run)


def tokenizer_from(config: TokenizerTrainingConfig, checkpoint: dict | None) -> BPETokenizer | None:
    """The tokenizer that a run has learned, or had learned when it was stopped; None before its checkpoint."""
    if checkpoint is None:
        return None
    tokens, merges, known = list(BYTES), [], set(BYTES)
    for first, second in checkpoint["weights"]["pairs"]:
        merges.append((tokens[first], tokens[second]))
        if (joined := tokens[first] + tokens[second]) not in known:
            tokens.append(joined)
            known.add(joined)
    vocab = {token: number for number, token in enumerate(tokens)}
    specials = {text: len(tokens) + place for place, text in enumerate(config.special_tokens)}
    return BPETokenizer(vocab, merges, special_tokens=specials, pattern=config.pattern)


def _check_whole(name: str, value: object, low: int, high: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise ValueError(f"{name} must be a whole number from {low} to {high}, got {value!r}")


def _check_special_tokens(names: tuple[str, ...]) -> None:
    for place, name in enumerate(names):
        if not isinstance(name, str) or not name:
            raise ValueError(f"special_tokens must be texts that are not empty, and number {place + 1} is {name!r}")
        if name in names[:place]:
            raise ValueError(f"special_tokens must differ from each other, and {name[:60]!r} stands there twice")
        check_unicode(name, f"special token {place + 1}")
