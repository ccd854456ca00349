"""Every benchmark, or the ones named: `python -m tests.benchmarks [pages] [engine] [training] [tokenizer] [decoding]`.

Prints Markdown tables.

Figures from one machine compare only with the peer measured beside them in the same run.
"""

import importlib
import sys

BENCHMARKS = ("pages", "engine", "training", "tokenizer", "decoding")


def main(names: list[str]) -> None:
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        raise SystemExit(f"no benchmark is called {unknown[0]!r}; there are {', '.join(BENCHMARKS)}")
    for name in names or BENCHMARKS:
        importlib.import_module(f"tests.benchmarks.{name}").main()


if __name__ == "__main__":
    main(sys.argv[1:])
