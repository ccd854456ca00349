"""python -m engine.pretraining --corpus FILE [--corpus FILE ...] --out DIR [--steps N ...]

Trains a BPE tokenizer (or takes --tokenizer FILE) and a causal language model on stories, and writes DIR as a Hugging
Face folder: config.json, model.safetensors (float16), tokenizer.json, tokenizer_config.json and README.md, the card.
The state of the training is kept in --work (default: DIR-training); the same command goes on where it stopped.
--reported FILE: held-out text that is only used for the number on the card.
"""

import argparse
import dataclasses
import json
import os
import shlex
import signal
import sys
import time
from pathlib import Path

from engine.checkpoint_export import save_causal_lm
from engine.pretraining.card import write_card
from engine.pretraining.config import END, PretrainConfig
from engine.pretraining.data import read_stories, split_stories
from engine.pretraining.training import pretrain
from engine.tokenizer import BPETokenizer


def main(arguments: list[str]) -> int:
    """Train as the arguments say, or go on with it, and write the model."""
    given = _parse(arguments)
    config = PretrainConfig(**{name: getattr(given, name) for name in _settings()})
    out, work = Path(given.out), Path(given.work or f"{given.out}-training")
    work.mkdir(parents=True, exist_ok=True)
    stories, held_out = split_stories(_stories(given), config.held_out, config.seed)
    tokenizer = _tokenizer(given.tokenizer, work / "tokenizer.json", stories, config.vocab_size)
    config = dataclasses.replace(config, vocab_size=len(tokenizer))
    stop = _Stop(given.minutes)
    start = _weights(given.start) if given.start else None
    model, progress = pretrain(
        config, tokenizer, stories, held_out, work, on_event=_tell, should_stop=stop, start=start, device=given.device
    )
    save_causal_lm(model, out, eos_id=tokenizer.special_tokens[END])
    tokenizer.save(out / "tokenizer.json")
    (out / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": END, "bos_token": END}) + "\n"
    )
    command = " ".join(["python -m engine.pretraining", *map(_shown, arguments)])
    told = write_card(out, config, progress, tokenizer, given.corpus, given.reported, command)
    sys.stdout.write(json.dumps(told) + "\n")
    return 0


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m engine.pretraining", description=__doc__.splitlines()[2])
    parser.add_argument("--corpus", action="append", default=[], help="a text file; may be given several times")
    parser.add_argument("--hub", help="a data set on the hub with a column text, as roneneldan/TinyStories")
    parser.add_argument("--hub-stories", type=int, default=500_000, help="at most so many of its stories")
    parser.add_argument("--out", required=True, help="the folder for the model")
    parser.add_argument("--work", help="the folder for the training's state")
    parser.add_argument("--tokenizer", help="a tokenizer.json to use instead of training one")
    parser.add_argument("--start", help="a model folder of the same shape whose weights to begin with")
    parser.add_argument("--reported", help="held-out text for the number on the card")
    parser.add_argument("--device", help="cuda, mps or cpu; the best there is unless given")
    parser.add_argument("--minutes", type=float, help="stop after so many minutes; the same command goes on later")
    for name, default in _settings().items():
        kind = int if default is None else type(default)
        parser.add_argument(f"--{name.replace('_', '-')}", dest=name, type=kind, default=default)
    given = parser.parse_args(arguments)
    if not given.corpus and not given.hub:
        parser.error("--corpus or --hub must say what to train on")
    return given


def _settings() -> dict[str, object]:
    return {field.name: field.default for field in dataclasses.fields(PretrainConfig)}


def _stories(given: argparse.Namespace) -> list[str]:
    stories = read_stories(given.corpus)
    if given.hub:
        import itertools

        from datasets import load_dataset

        rows = load_dataset(given.hub, split="train", streaming=True)
        stories += [row["text"].strip() for row in itertools.islice(rows, given.hub_stories)]
    return stories


def _tokenizer(given: str | None, kept: Path, stories: list[str], vocab_size: int) -> BPETokenizer:
    if given:
        return BPETokenizer.load(given)
    if not kept.exists():
        BPETokenizer.train(stories, vocab_size, special_tokens=[END]).save(kept)
    return BPETokenizer.load(kept)


def _weights(folder: str) -> dict:
    from engine.checkpoints import load_causal_lm

    return load_causal_lm(folder).state_dict()


def _shown(argument: str) -> str:
    """An argument as the card writes it: without the place of this machine's data."""
    data = os.environ.get("LABS_DATA")
    if data and argument.startswith(data):
        return "$LABS_DATA" + shlex.quote(argument[len(data) :])
    return shlex.quote(argument)


def _tell(event: dict) -> None:
    sys.stdout.write(json.dumps({name: round(value, 5) for name, value in event.items()}) + "\n")
    sys.stdout.flush()


class _Stop:
    """True once the time is up, or after Ctrl+C or a polite kill."""

    def __init__(self, minutes: float | None) -> None:
        self._until = time.monotonic() + 60 * minutes if minutes else None
        self._asked = False
        for name in (signal.SIGINT, signal.SIGTERM):
            signal.signal(name, self._ask)

    def _ask(self, *_: object) -> None:
        self._asked = True

    def __call__(self) -> bool:
        return self._asked or (self._until is not None and time.monotonic() > self._until)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
