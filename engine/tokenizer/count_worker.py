"""A helper of engine.tokenizer.counting: `python -m engine.tokenizer.count_worker PATTERN`, spoken to through pipes."""

import json
import sys

from engine.tokenizer.counting import LENGTH, READY
from engine.tokenizer.pieces import PieceCounter


def main(pattern: str) -> None:
    """Count bundles of texts as they come, then tell the counts."""
    counter = PieceCounter(pattern)
    read, write = sys.stdin.buffer, sys.stdout.buffer
    while True:
        write.write(READY)
        write.flush()
        (length,) = LENGTH.unpack(read.read(LENGTH.size))
        if length < 0:
            break
        for part in json.loads(read.read(length)):
            counter.add(part)
    write.write(b"\n" + json.dumps(counter.pieces()).encode())
    write.flush()


if __name__ == "__main__":
    main(sys.argv[1])
