"""Section 6 in words: what training on another text costs, from the numbers on screen."""

from pages.lab4_tokenizer.judge_study import OWN, TITLES, Table

NOTHING_LEARNED = 1.05  # bytes per token below which a tokenizer is as good as none


def with_size(table: Table, name: str) -> str:
    """A row's name; with the entries it has where its text gave fewer than were asked for."""
    entries = len(table.trained[name])
    return TITLES[name] if entries == table.size else f"{TITLES[name]} ({entries})"


def notice(table: Table) -> str:
    """Whose own tokenizer is best, and which texts are read byte by byte by most others."""
    own = [name for name in table.names if table.best(name) == name]
    share = "every text" if len(own) == len(table.names) else f"{len(own)} of {len(table.names)} texts"
    said = f"For {share} the tokenizer trained on its other half is the best."
    strange = [name for name in table.names if _foreign(table, name)]
    if strange:
        *most, last = [TITLES[name] for name in strange]
        listed = f"{', '.join(most)} and {last}" if most else last
        said += (
            f" On {listed} most of the others make a token of nearly every byte: they never met these letters, and "
            "each of them is two bytes or more."
        )
    return said


def _foreign(table: Table, judged: str) -> bool:
    """Whether a text is mostly of letters that are two bytes or more, and most tokenizers have learned none of them."""
    read = table.halves[judged][1]
    blind = [row for row in table.names if table.bytes_per_token(row, judged) < NOTHING_LEARNED]
    return len(read.encode()) > 1.5 * len(read) and 2 * len(blind) > len(table.names)


def _whose(name: str) -> str:
    return TITLES[name] + ("’" if TITLES[name].endswith("s") else "’s")


def winners(table: Table) -> str:
    """Where another text's tokenizer is better than the text's own, and what the two were trained on."""
    said = []
    for name in table.names:
        best = table.best(name)
        if best != name:
            said.append(
                f"{TITLES[name]} fits {_whose(best)} tokenizer better than its own: {_kilobytes(table, best)} of "
                f"training text against {_kilobytes(table, name)}, {len(table.trained[best]):,} entries against "
                f"{len(table.trained[name]):,}."
            )
    few = [name for name in table.names if len(table.trained[name]) < table.size]
    if few:
        said.append(
            f"{'A number' if len(few) == 1 else 'Numbers'} in brackets: so many entries, and then no pair was left to "
            f"merge; the vocabularies are not all of {table.size:,}."
        )
    return " ".join(said)


def _kilobytes(table: Table, name: str) -> str:
    return f"{len(table.halves[name][0].encode()) / 1000:,.1f} kB"


def pair(table: Table, trained: str, judged: str) -> str:
    """The chosen cell against the judged text's own tokenizer."""
    own = table.fits[judged][judged]
    if trained == judged:
        return (
            f"<b>{TITLES[judged]} on {TITLES[judged]}</b>: {own.n_bytes:,} bytes in {own.n_tokens:,} tokens, "
            f"{own.bytes_per_token:.2f} each, on the lines left out of training."
        )
    other = table.fits[trained][judged]
    more = other.n_tokens / own.n_tokens - 1
    return (
        f"<b>{TITLES[trained]} on {TITLES[judged]}</b>: {other.n_tokens:,} tokens, {other.bytes_per_token:.2f} bytes "
        f"each. {_whose(judged)} own tokenizer: {own.n_tokens:,} tokens, {own.bytes_per_token:.2f} bytes each. "
        f"That is {abs(more):.0%} {'more' if more >= 0 else 'fewer'} tokens for a model to read and to be paid for."
    )


def cut(trained: str, judged: str, n_tokens: int) -> str:
    """Above one line's tokens."""
    whose = "its own tokenizer" if trained == judged else f"{_whose(trained)} tokenizer"
    line = "your text’s first line" if judged == OWN else f"a line of {TITLES[judged]}"
    return f"{line[0].upper()}{line[1:]}, cut by {whose}: {n_tokens} tokens."


def alt(table: Table) -> str:
    """The matrix in a sentence."""
    best = sum(table.best(name) == name for name in table.names)
    cells = [(table.bytes_per_token(row, column), row, column) for row in table.names for column in table.names]
    value, row, column = max(cells)
    return (
        f"Bytes per token of {len(table.names)} texts under {len(table.names)} tokenizers: each text’s own is best for "
        f"{best}; largest {value:.2f}, trained on {TITLES[row]}, judged on {TITLES[column]}"
    )
