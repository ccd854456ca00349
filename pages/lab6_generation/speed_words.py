"""Section 10 in words: what each view shows, from the numbers of the run on screen."""

from pages.lab6_generation.speed_study import ERRORS, Compared, Drafted, Speeds

READING = {
    "cache": (
        "Left: the time of one token more, by the length of the text before it. Right: what the whole text took until "
        "then. <b>Cache</b>: the keys and values of earlier tokens are kept, so only the new token is read."
    ),
    "batch": (
        "Texts written <b>side by side</b> take each step together. The dashed line is the limit of the memory: every "
        "weight fetched once a step, and nothing else. The last plot counts tokens in one reading of the model."
    ),
    "strategies": (
        "Longer is faster. With a draft: the draft length that was fastest. Of a beam search only the text that it "
        "gives is counted."
    ),
}


BEHIND = " A dashed line marks the stored run."


def cache_notice(speeds: Speeds) -> str:
    """How the cost grows with the text, with and without a cache."""
    lengths, whole = speeds.next_token("whole")
    _, lean = speeds.next_token("lean")
    _, cached = speeds.next_token("cached")
    first, last = lengths[0], lengths[-1]
    _, all_whole = speeds.whole_text("whole")
    _, all_lean = speeds.whole_text("lean")
    return (
        f"Without a cache the token after {last:,} others took {whole[-1]:.0f} ms, {whole[-1] / whole[0]:.1f} times "
        f"the one after {first}, because everything before it was read again. With a cache the two took "
        f"{lean[-1]:.1f} and {lean[0]:.1f} ms: only the new token is read, and only its attention over the kept keys "
        f"and values grows. The whole text of {last:,} tokens: {all_whole[-1]:.1f} s against {all_lean[-1]:.1f} s. The "
        f"cache through the model’s modules ({cached[-1]:.0f} ms) and the lean loop do the same arithmetic; what lies "
        "between them is the price of asking, paid at every small step."
    )


def batch_notice(speeds: Speeds) -> str:
    """Why more texts, or more tokens at once, cost so little."""
    texts, together = speeds.batch(each=False)
    _, steps = speeds.batch_step()
    tokens, at_once = speeds.at_once()
    said = (
        f"{texts[-1]:,} texts side by side wrote {together[-1] / together[0]:.1f} times the tokens a second of one "
        f"text, {together[-1]:,.0f} instead of {together[0]:,.0f}; a step took {steps[-1] / steps[0]:.1f} times as "
        "long."
    )
    if len(tokens) > 1:
        said += (
            f" And one reading of {tokens[-1]} tokens of one text took {at_once[-1] / at_once[0]:.1f} times as long as "
            "one of a single token."
        )
    return said


def memory_words(speeds: Speeds) -> str:
    """The limit of the memory, and how near one text comes to it."""
    megabytes, share = speeds.weight_bytes / 1e6, speeds.share_of_limit
    steps = speeds.bandwidth() / speeds.weight_bytes
    return (
        f"<b>Why</b>: a token needs every weight of the model once, {megabytes:.1f} MB of them. Adding up an array of "
        f"that size, this processor got through {speeds.bandwidth() / 1e9:.1f} GB a second "
        f"({speeds.bandwidth('large') / 1e9:.1f} GB a second where it is too large for the memory near the processor), "
        f"which would be {steps:,.0f} tokens a second. One text at a time reached {share:.0%} of that, with a "
        "multiplication and an addition for each weight it fetched. A second text uses the same weights while they "
        "are there. That is why a batch, or looking at several drafted tokens at once, costs less than one token after "
        "the other."
    )


def strategies_notice(speeds: Speeds) -> str:
    """What choosing costs beside reading, and the same by transformers."""
    greedy = speeds.tokens_per_second("greedy", "ours")
    said = []
    sampling, filtered = (speeds.tokens_per_second(name, "ours") for name in ("sampling", "filtered"))
    if greedy and sampling and filtered:
        said.append(
            f"Reading the model is most of the work, choosing a token little: {greedy:,.0f} tokens a second greedily, "
            f"{sampling:,.0f} drawn, {filtered:,.0f} drawn after three filters."
        )
    beams = [one for one in speeds.of("strategy", name="beam", by="ours") if one["seconds"]]
    if greedy and beams:
        widest = beams[-1]
        speed = widest["tokens"] / widest["seconds"]
        said.append(
            f"{widest['beams']} beams read {widest['beams']} texts and keep one of them: {greedy / speed:.1f} times "
            f"the time of greedy, not {widest['beams']} times, because the beams are a batch."
        )
    peer = speeds.tokens_per_second("greedy", "transformers")
    if greedy and peer:
        said.append(
            f"transformers’ generate wrote {peer:,.0f} tokens a second greedily. It serves every model there is; at "
            "this size most of its time goes into asking, not into arithmetic."
        )
    return " ".join(said)


def draft_notice(speeds: Speeds, n_draft: int) -> str:
    """What drafting bought in the run, and at which draft length most."""
    temperature = speeds.config.temperature
    rows, plain = speeds.drafted(temperature), speeds.plain(temperature)
    best = max(rows, key=lambda one: one.tokens_per_second)
    here = next((one for one in rows if one.n_draft == n_draft), best)
    return (
        f"With {_tokens(here.n_draft)} drafted at a time, {here.acceptance:.0%} of those that were looked at were "
        f"kept, so each reading of the large model gave {here.tokens_per_round:.2f} tokens. In tokens a second that is "
        f"{here.tokens_per_second:,.0f} against {plain:,.0f} without a draft: {_gain(here, plain)}. The best here was "
        f"{_tokens(best.n_draft)} at a time. A longer draft is kept to its end less often, and every token of it costs "
        "a reading of the small model."
    )


def _gain(row: Drafted, plain: float) -> str:
    factor = row.tokens_per_second / plain
    if abs(factor - 1) < 0.03:
        return "no difference"
    return f"{factor:.2f} times as fast" if factor > 1 else f"slower, {factor:.2f} times"


def costs_words(speeds: Speeds) -> str:
    """What the gain is made of: one reading of each model, and of several tokens at once."""
    tokens, times = speeds.at_once()
    small = speeds.of("at-once", who="draft")
    if not small or len(times) < 2:
        return ""
    ms = 1000 * small[0]["seconds"]
    middle = min(len(times) - 1, 3)
    return (
        f"<b>What it is made of</b>: one token took the large model {times[0]:.1f} ms and its draft {ms:.2f} ms; "
        f"{tokens[middle]} tokens at once took the large model {times[middle]:.1f} ms. In a model that is too large "
        "for the memory near the processor, that last number comes near the first: its time is all fetching."
    )


def first_tokens_claim(speeds: Speeds) -> tuple[bool, str]:
    """(whether the counts lie within the band, the sentence that says so)."""
    rows = speeds.first_tokens
    worst = max(rows, key=lambda row: row.errors)
    holds = worst.errors <= ERRORS
    return holds, (
        f"the same distribution: of {speeds.draws:,} tokens drawn with a draft, every share lies within "
        f"{ERRORS:.0f} standard errors of the large model’s own probability (largest: {worst.errors:.1f}, over "
        f"{len(rows)} classes of tokens)"
        if holds
        else f"of {speeds.draws:,} tokens drawn with a draft, one came in {worst.share:.1%} of all draws, and the "
        f"large model gives it {worst.model:.1%}: {worst.errors:.1f} standard errors apart"
    )


def compared_row(row: Compared, shown: str) -> list[str]:
    """One row of the table of first tokens; `shown` is the token, escaped."""
    band = f"{max(0.0, row.model - ERRORS * row.error):.1%} to {row.model + ERRORS * row.error:.1%}"
    return [shown, f"{row.draft:.1%}", f"{row.model:.1%}", f"{row.share:.1%}", band]


def _tokens(n: int) -> str:
    return "1 token" if n == 1 else f"{n} tokens"
