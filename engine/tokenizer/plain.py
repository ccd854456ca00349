"""Byte-pair encoding as the algorithm says it: count all pairs, join the most frequent one everywhere, and again.

Source: Sennrich et al. 2016, "Neural Machine Translation of Rare Words with Subword Units", algorithm 1, on bytes as in
Radford et al. 2019. It counts everything anew for each merge; engine.tokenizer.learning gives the same merges faster.
"""

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from engine.tokenizer.learning import Learned


def learn_plainly(
    words: Mapping[bytes, int], alphabet: list[bytes], vocab_size: int, min_count: int = 1
) -> Iterator[Learned]:
    """Merges in the order learned, as engine.tokenizer.learning.learn gives them.

    >>> [(merge.pair, merge.count) for merge in learn_plainly({b"aab": 2, b"ab": 1}, [b"a", b"b"], 4)]
    [((0, 1), 3), ((0, 2), 2)]
    """
    number_of = {token[0]: number for number, token in enumerate(alphabet)}
    texts = [([number_of[byte] for byte in word], count) for word, count in words.items()]
    tokens, ids = list(alphabet), {token: number for number, token in enumerate(alphabet)}
    while len(ids) < vocab_size:
        counts = count_pairs(texts)
        if not counts:
            return
        pair = min(counts, key=lambda pair: (-counts[pair], pair))  # most frequent; of equals the smallest ids
        if counts[pair] < max(1, min_count):
            return
        joined = tokens[pair[0]] + tokens[pair[1]]
        new_id = ids.setdefault(joined, len(tokens))  # two ways to the same bytes share one id
        if new_id == len(tokens):
            tokens.append(joined)
        texts = [(join(symbols, pair, new_id), count) for symbols, count in texts]
        yield Learned(pair, new_id, counts[pair])


def count_pairs(texts: Sequence[tuple[list[int], int]]) -> Counter[tuple[int, int]]:
    """How often two symbols stand side by side; a word that occurs seven times counts seven times."""
    counts: Counter[tuple[int, int]] = Counter()
    for symbols, count in texts:
        for pair in itertools.pairwise(symbols):
            counts[pair] += count
    return counts


def join(symbols: list[int], pair: tuple[int, int], new_id: int) -> list[int]:
    """The symbols with every occurrence of the pair joined, from left to right.

    >>> join([7, 7, 7, 1], (7, 7), 9)
    [9, 7, 1]
    """
    joined, place = [], 0
    while place < len(symbols):
        if tuple(symbols[place : place + 2]) == pair:
            joined.append(new_id)
            place += 2
        else:
            joined.append(symbols[place])
            place += 1
    return joined
