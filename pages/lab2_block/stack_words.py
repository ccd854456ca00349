"""What "Stack it" says about the numbers on screen, and how memory grows with the context."""

from dataclasses import replace

from components.figures.plots import Plot, Series
from engine.budget import activation_terms, as_bytes, cache_terms, count_parameters
from engine.formula import total
from pages.lab2_block.stack_costs import Terms, part
from pages.lab2_block.stack_settings import Setup

NAMES = {
    "embedding": "the token embedding",
    "positions": "positions",
    "attention": "attention",
    "cross": "cross-attention",
    "feed": "feed-forward",
    "norms": "norms",
    "head": "the head",
}


def notice(terms: Terms) -> str:
    """Where the parameters sit, what a longer context does, and what sharing keys and values saves."""
    return " ".join([_shares(terms), _longer(terms), _cache(terms)]).strip()


def _shares(terms: Terms) -> str:
    sums: dict[str, int] = {}
    for term in terms.parameters:
        sums[part(term.name)] = sums.get(part(term.name), 0) + term.value
    shares = {name: value / total(terms.parameters) for name, value in sums.items()}
    largest = [name for name in sorted(shares, key=lambda name: -shares[name])[:3] if shares[name] > 0.005]
    said = [f"{shares[name]:.0%} in {NAMES[name]}" for name in largest]
    if len(said) == 1:
        return f"Of the parameters {said[0]}."
    return f"Of the parameters {', '.join(said[:-1])} and {said[-1]}."


def _longer(terms: Terms) -> str:
    config = terms.setup.config
    now, twice = (_kept(terms.setup, context) for context in (config.max_len, 2 * config.max_len))
    times = twice / now
    why = (
        "all of it grows with the length; the fused kernel keeps no table of weights"
        if times < 2.005
        else f"{_square(terms)} grow with the square of the length, a number for each pair of tokens in every layer"
    )
    return (
        f"With twice the context a training step keeps {as_bytes(twice)} instead of {as_bytes(now)}, {times:.2f} times "
        f"as much: {why}."
    )


def _square(terms: Terms) -> str:
    return "the position biases" if terms.setup.config.positions == "alibi" else "the causal masks"


def _cache(terms: Terms) -> str:
    setup = terms.setup
    if not terms.cache:
        return ""
    kept = total(terms.cache)
    twice = total(cache_terms(setup.config, batch=setup.batch, n_bytes=setup.n_bytes, seq_len=2 * setup.config.max_len))
    said = f"The KV cache becomes {as_bytes(twice)}, {twice / kept:.2f} times {as_bytes(kept)}."
    n_heads, kv_heads = setup.config.n_heads, setup.config.key_value_heads
    if kv_heads < n_heads:
        own = replace(setup.config, n_kv_heads=None)
        whole = total(cache_terms(own, batch=setup.batch, n_bytes=setup.n_bytes))
        return (
            f"{said} {n_heads} heads share {kv_heads} key and value head{'s' if kv_heads > 1 else ''}: with one each "
            f"it would be {as_bytes(whole)}, {whole / kept:.4g} times as much."
        )
    if n_heads > 1:
        return f"{said} If all {n_heads} heads shared one key and value head, it would be {as_bytes(kept / n_heads)}."
    return said


def _kept(setup: Setup, context: int) -> int:
    terms = activation_terms(setup.config, setup.kind, batch=setup.batch, seq_len=context, n_bytes=setup.n_bytes)
    return total(terms)


def memory_plot(setup: Setup, free: int | None, device: str) -> Plot:
    """Memory against the context length, from a sixteenth of the present one to sixteen times as much."""
    lengths = sorted({max(1, round(setup.config.max_len * 2.0**power)) for power in range(-4, 5)})
    lines = {"activations (training)": ("output", [_kept(setup, n) for n in lengths])}
    if setup.kind != "encoder":
        kept = {"batch": setup.batch, "n_bytes": setup.n_bytes}
        cached = [total(cache_terms(setup.config, seq_len=n, **kept)) for n in lengths]
        lines["KV cache (writing)"] = ("key", cached)
    lines["weights"] = ("query", [_weights(setup, n) for n in lengths])
    if free is not None:
        lines[f"free here ({device})"] = ("negative", [free] * len(lengths))
    unit, size = ("GB", 1e9) if max(lines["weights"][1]) >= 1e8 else ("MB", 1e6)
    return Plot(
        "Memory against context",
        [
            Series(name, lengths, [amount / size for amount in amounts], role=role, dashed=role == "negative")
            for name, (role, amounts) in lines.items()
        ],
        x_title="tokens",
        y_title=unit,
        log_x=True,
        log_y=True,
        marks=[(setup.config.max_len, "now")],
    )


def _weights(setup: Setup, context: int) -> int:
    return count_parameters(replace(setup.config, max_len=context), setup.kind, pooler=setup.pooler) * setup.n_bytes
