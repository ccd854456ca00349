"""What the studies of Lab 6 let the story model go on from, and the human texts that they compare with.

The beginnings are this project's own (assets/corpora/beginnings.txt, 100 of them); all are cut after the same number of
tokens, so that they can be continued side by side. The human texts are held-out stories of TinyStories, which are not
part of the project: they are read where LABS_DATA names a folder that holds them.
"""

import os
from pathlib import Path

from engine.corpora import FOLDER, corpus_text
from engine.text_interface import TextInterface

PROMPT_TOKENS = 10
FILE = FOLDER / "beginnings.txt"


def beginnings() -> list[str]:
    """The 100 first sentences, in the order of the file."""
    return FILE.read_text(encoding="utf-8").splitlines()


def prompts(tokenizer: TextInterface, n: int) -> list[list[int]]:
    """The first n beginnings as ids: what starts every text, and the first ten tokens of each."""
    return [[*tokenizer.start_ids, *tokenizer.encode(text)[:PROMPT_TOKENS]] for text in beginnings()[:n]]


def heldout_file() -> Path | None:
    """The held-out stories on this machine, or None."""
    path = Path(os.environ.get("LABS_DATA", "")) / "stories" / "tinystories_heldout.txt"
    return path if os.environ.get("LABS_DATA") and path.is_file() else None


def heldout_stories() -> list[str] | None:
    """Stories written by others that the model has not been trained on; None where LABS_DATA names none."""
    from engine.pretraining.data import read_stories

    path = heldout_file()
    return None if path is None else read_stories([path])


def bundled_stories(n: int) -> list[str]:
    """The first n of the project's own stories (assets/corpora/stories.txt): always here, and of another kind."""
    return [story.strip() for story in corpus_text("stories").split("\n\n") if story.strip()][:n]
