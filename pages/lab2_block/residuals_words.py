"""Section 4 in words: what the shortcuts did on screen, made from its numbers."""

from engine.signals import SignalReport

ALIKE = 0.99  # mean cosine from which the tokens are as good as one
ROUNDING = 1e-13  # of the attention's whole gradient: below it 64-bit numbers hold nothing but their own errors
PARTS = {
    "query_key": "the query and key matrices",
    "feed_forward": "the feed-forward part’s weights",
    "signal": "the stream itself",
}


def notice(kept: SignalReport, lost: SignalReport, gradient: str) -> str:
    """What to notice: the tokens, then the gradient, then the size, with shortcuts (`kept`) and without (`lost`)."""
    return " ".join((_tokens(kept, lost), _gradient(kept, lost, gradient), _size(kept, lost)))


def _tokens(kept: SignalReport, lost: SignalReport) -> str:
    alone, beside = first_alike(lost), first_alike(kept)
    if alone is None:
        here, there, last = lost.layers[-1].similarity, kept.layers[-1].similarity, len(lost.layers)
        return f"Without shortcuts the tokens’ mean cosine is {here:.2f} after layer {last}; with them {there:.2f}."
    said = (
        f"Without shortcuts every token has become practically the same vector by layer {alone} "
        f"(mean cosine {lost.layers[alone - 1].similarity:.3f}; with them {kept.layers[alone - 1].similarity:.2f})."
    )
    if beside is None:
        return said
    later = f"with them it happens too, only later, at layer {beside}"
    return f"{said} <b>Shortcuts are needed, not enough:</b> {later}. {_why_late(kept)}"


def _why_late(kept: SignalReport) -> str:
    if kept.config.norm == "none":
        return "Without a norm each part adds more than the stream holds, and soon outweighs what the shortcut carries."
    if kept.config.norm_first:
        return "Layer after layer adds nearly the same to every token, and it adds up."
    return "A norm after each part also shrinks what the shortcut carries, again and again: the next section’s subject."


def first_alike(report: SignalReport) -> int | None:
    """The first layer after which all tokens are practically the same vector, from 1; None when there is none."""
    return next((layer.layer for layer in report.layers if layer.similarity >= ALIKE), None)


def _gradient(kept: SignalReport, lost: SignalReport, gradient: str) -> str:
    """The gradient on screen halfway up, with and without."""
    middle = len(kept.layers) // 2
    with_them, without = (getattr(one.layers[middle], f"{gradient}_gradient") for one in (kept, lost))
    sizes = f"({number(without)} instead of {number(with_them)})"
    part, place = f"he gradient of {PARTS[gradient]}", f"at layer {middle + 1} {sizes}"
    whole = max(layer.attention_gradient for layer in lost.layers)
    if gradient == "query_key" and without < ROUNDING * whole:
        return f"Where all tokens are one, who is read makes no difference: only rounding is left of t{part} {place}."
    if without < with_them / 3:
        times = f"{number(with_them / without)} times smaller"
        if gradient != "query_key":
            return f"T{part} is {times} without them {place}."
        return f"Where all tokens are one, who is read makes no difference: t{part} is {times} {place}."
    if without > 3 * with_them:
        return f"T{part} is {number(without / with_them)} times larger without them {place}."
    look = "" if gradient == "query_key" else ". Look at query and key instead"
    return f"T{part} is of a like size either way {place}{look}."


def _size(kept: SignalReport, lost: SignalReport) -> str:
    first, last, n = kept.layers[0].signal, kept.layers[-1].signal, len(kept.layers)
    gone = lost.layers[-1].signal
    if kept.config.norm == "none":
        return (
            f"Nothing sets the size here: with shortcuts a token’s vector has size {number(last)} after layer {n}, "
            f"without them {number(gone)}. Norm and shortcut need each other."
        )
    if not kept.config.norm_first:
        return f"A norm after each part gives every vector the size {last:.1f}, with and without."
    return (
        f"With shortcuts the vector grows from {number(first)} to {number(last)}, because every layer adds to what is "
        f"there; without them it is made anew each time, with size {number(gone)}."
    )


def trained(final: dict[str, float], guessing: float, lowest: float) -> str:
    """What the stored training says about two beliefs. `final`: the job's own result."""
    depths = sorted({int(name.split()[0]) for name in final})
    lost = {depth: final[f"{depth} without"] for depth in depths}
    kept = {depth: final[f"{depth} with"] for depth in depths}
    stuck = [depth for depth in depths if lost[depth] > guessing - 0.05]
    fine = max((depth for depth in depths if lost[depth] < kept[depth] + 0.02), default=0)
    upto = f"With {fine} layer{'s' if fine > 1 else ''} they are: the task is learned without them."
    optional = upto if fine else "At no depth here."
    if stuck:
        optional += (
            f" At {' and '.join(map(str, stuck))} layers the loss stays at {lost[stuck[0]]:.2f}, and pure guessing "
            f"scores {guessing:.2f}: nothing was learned."
        )
    low, high = f"{min(kept.values()):.2f}", f"{max(kept.values()):.2f}"
    return (
        f"<b>“Shortcuts are optional”?</b> {optional} <b>“Deeper always trains”?</b> Not without shortcuts. With them "
        f"every depth here trains, to {low if low == high else f'{low}–{high}'}, where {lowest:.2f} is the best "
        "possible; on a task this small, more layers gain nothing."
    )


def number(value: float) -> str:
    """Three digits, as HTML; powers of ten where it is very large or very small.

    >>> number(28.01), number(0.0381), number(1512.0), number(9.4e10), number(3.2e-8)
    ('28', '0.0381', '1,510', '9.4 × 10<sup>10</sup>', '3.2 × 10<sup>−8</sup>')
    """
    if value and not 1e-3 <= abs(value) < 1e5:
        lead, power = f"{value:.1e}".split("e")
        return f"{lead} × 10<sup>{str(int(power)).replace('-', '−')}</sup>"
    return f"{float(f'{value:.3g}'):,.10g}"
