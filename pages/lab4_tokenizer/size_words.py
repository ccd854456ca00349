"""Section 5 in words: what twice the vocabulary buys and costs, and what the knee is, from the numbers on screen."""

from pages.lab4_tokenizer.size_study import Study


def notice(study: Study) -> str:
    """What twice as many entries change; half as many where the corpus gives no more."""
    small, large = _compared(study)
    return f"<b>A larger vocabulary is not free.</b> {_bought(study, small, large)} {_paid(study, small, large)}"


def _compared(study: Study) -> tuple[int, int]:
    """The chosen size and twice of it, or, at the end of the curve, what is before it and the end."""
    last = study.grid[-1]
    if study.size >= last - 16:
        return max(256, last // 2), last
    return study.size, min(2 * study.size, last)


def _bought(study: Study, small: int, large: int) -> str:
    before, after = (_bytes_per_token(study, size) for size in (small, large))
    said = (
        f"From {small:,} to {large:,} entries a token grows from {before:.2f} to {after:.2f} bytes "
        f"({after / before - 1:+.0%})"
    )
    here, there = (study.own.n_tokens[study.own.at(size)] for size in (small, large))
    if not here:
        return said + "."
    if here == there:
        return f"{said}, and your text stays at {here:,} token{'s' if here > 1 else ''}: the new entries are not in it."
    return f"{said}, and your text shrinks from {here:,} to {there:,} tokens."


def _paid(study: Study, small: int, large: int) -> str:
    cost, more = (study.model.embedding(size) for size in (small, large))
    idle, idler = (study.unused_share(size) for size in (small, large))
    said = (
        f"The price: with d_model {study.model.d_model:,} the embedding grows from {millions(cost)} to "
        f"{millions(more)} parameters ({more / cost - 1:+.0%})"
    )
    if idler > idle:
        said += f", and the judged text now leaves {idler:.0%} of all entries unused; before it was {idle:.0%}"
    else:
        said += f"; the judged text leaves {idler:.0%} of all entries unused ({idle:.0%} before)"
    return f"{said}. An entry that training never meets stays a row of random numbers."


def model_words(study: Study) -> str:
    """The embedding as a share of one model."""
    model, size = study.model, study.size
    whole, part = model.parameters(size), model.embedding(size)
    layers = "1 layer" if model.n_layers == 1 else f"{model.n_layers} layers"
    ends = "one matrix for both ends" if model.tied else "a matrix at each end"
    times = "" if model.tied else "2 × "
    return (
        f"<b>In a model</b> with {layers} and {ends}, {size:,} entries take {times}{size:,} × {model.d_model:,} = "
        f"{part:,} of {whole:,} parameters: {part / whole:.0%}."
    )


def knee_words(study: Study) -> str:
    """What the knee says and what it does not."""
    knee = study.knee
    if not knee:
        return "<b>No knee</b>: no point of the curve stands above the straight line between its ends."
    half = study.knee_of_the_first_half()
    place, last = study.grid[knee.index], study.grid[-1]
    said = (
        f"<b>The knee</b> is at {place:,}: {knee.gain:.0%} of the whole rise for {knee.cost:.0%} of the entries, a "
        f"lead of {100 * knee.distance:.0f} points, the largest there is. From there on an entry brings less than "
        "the average one."
    )
    if half and half != place:
        said += (
            f" It is a rule of thumb: had the training ended halfway, near {round(last / 2):,}, it would be {half:,}."
        )
    return said


def alt(study: Study) -> str:
    """The first plot in a sentence."""
    first, last = study.bytes_per_token[0], study.bytes_per_token[-1]
    said = (
        f"Bytes per token rise from {first:.2f} at 256 entries to {last:.2f} at {study.grid[-1]:,}; "
        f"{_bytes_per_token(study, study.size):.2f} at your size, {study.size:,}"
    )
    return said + (f"; knee at {study.grid[study.knee.index]:,}" if study.knee else "")


def millions(amount: int) -> str:
    """1,572,864 as "1.57 million"."""
    return f"{amount / 1e6:,.2f} million" if amount >= 1e6 else f"{amount:,}"


def _bytes_per_token(study: Study, size: int) -> float:
    return len(study.judged.encode()) / study.curve.n_tokens[study.curve.at(size)]
