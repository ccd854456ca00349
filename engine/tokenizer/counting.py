"""Counting the pieces of a corpus, on several cores when it is large.

Texts are read once and not kept, so a corpus may come from files and be larger than memory. The helpers are fresh
interpreters (engine.tokenizer.count_worker): a copy of this process would take an app's threads with
it, and multiprocessing would run an app's or a script's main file again.
"""

import itertools
import json
import os
import re
import struct
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from engine.tokenizer.pieces import PieceCounter, check_unicode, cut_at_spaces, segments

PART = 500_000  # characters handed out at a time
WORTH_A_HELPER = 2_000_000  # characters; below it a helper's start takes longer than it saves
_ROOT = Path(__file__).resolve().parents[2]  # the folder that holds `engine`
LENGTH = struct.Struct("<q")  # before each part on its way to a helper; -1 ends
READY = b"."


def count_corpus(
    texts: str | Iterable[str], pattern: str, *, special: Iterable[str] = (), processes: int | None = None
) -> Counter[str]:
    """How often each piece occurs in the corpus; the texts in `special` are left out.

    texts: one text, or an iterable of texts (pieces never cross from one to the next). processes: at most so many, this
    one included; None: one a core. Raises ValueError for a text that is no str or holds half a surrogate pair.
    """
    parts = _parts([texts] if isinstance(texts, str) else texts, special, segments(pattern) is not None)
    n_helpers = (os.cpu_count() or 1) - 1 if processes is None else processes - 1
    first, n_characters = [], 0
    for part in parts if n_helpers > 0 else ():
        first.append(part)
        n_characters += len(part)
        if n_characters >= WORTH_A_HELPER:
            return _count_with_helpers(itertools.chain(first, parts), pattern, n_helpers)
    counter = PieceCounter(pattern)
    for part in itertools.chain(first, parts):
        counter.add(part)
    return counter.pieces()


def _parts(texts: Iterable[str], special: Iterable[str], may_cut: bool) -> Iterator[str]:
    """The texts without the special tokens, long ones in parts where the pattern allows it."""
    specials = sorted(filter(None, special), key=len, reverse=True)
    between = re.compile("|".join(map(re.escape, specials))) if specials else None
    for number, text in enumerate(texts, start=1):
        if not isinstance(text, str):
            raise ValueError(f"texts must hold str only, and text {number} is a {type(text).__name__}")
        check_unicode(text, f"text {number}")
        for part in between.split(text) if between else (text,):
            yield from cut_at_spaces(part, PART) if may_cut else (part,)


def _count_with_helpers(parts: Iterator[str], pattern: str, n_helpers: int) -> Counter[str]:
    """Each bundle goes to a helper that is free, or is counted here."""
    counter = PieceCounter(pattern)
    helpers: list[_Helper] = []
    try:
        for _ in range(n_helpers):
            helpers.append(_Helper(pattern))
    except OSError:  # no process can be started here: those that were, and this one, do it
        pass
    try:
        for bundle in _bundles(parts):
            helper = next((one for one in helpers if one.free()), None)
            if helper is None:
                for part in bundle:
                    counter.add(part)
            else:
                helper.give(bundle)
        for helper in helpers:
            helper.finish()
        counts = counter.pieces()
        for helper in helpers:
            counts.update(helper.answer())
    finally:
        for helper in helpers:
            helper.close()
    return counts


def _bundles(parts: Iterator[str]) -> Iterator[list[str]]:
    """Short texts travel together."""
    bundle, size = [], 0
    for part in parts:
        bundle.append(part)
        size += len(part)
        if size >= PART:
            yield bundle
            bundle, size = [], 0
    if bundle:
        yield bundle


class _Helper:
    """A process that counts, and a thread that listens to it."""

    def __init__(self, pattern: str) -> None:
        path = os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH")]))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "engine.tokenizer.count_worker", pattern],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": path},
        )
        self._ready = threading.Semaphore(0)
        self._told = b""
        self._ear = threading.Thread(target=self._listen, daemon=True)
        self._ear.start()

    def _listen(self) -> None:
        while self._process.stdout.read(1) == READY:
            self._ready.release()
        self._told = self._process.stdout.read()

    def free(self) -> bool:
        """Whether it waits for something to do; a True is taken back by `give`."""
        return self._ready.acquire(blocking=False)

    def give(self, bundle: list[str]) -> None:
        sent = json.dumps(bundle).encode()
        self._write(LENGTH.pack(len(sent)) + sent)

    def finish(self) -> None:
        self._write(LENGTH.pack(-1))

    def answer(self) -> dict[str, int]:
        """What it counted, when it is done."""
        self._ear.join()
        try:
            return json.loads(self._told)
        except json.JSONDecodeError:
            raise _EndedEarlyError from None

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._ear.join()
        self._process.stdout.close()

    def _write(self, sent: bytes) -> None:
        try:
            self._process.stdin.write(sent)
            self._process.stdin.flush()
        except OSError:
            raise _EndedEarlyError from None


class _EndedEarlyError(RuntimeError):
    def __init__(self) -> None:
        super().__init__("a process that counts pieces ended early; with processes=1 none is started")
