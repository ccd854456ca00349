"""What section “idea” says, made from the two texts on screen."""

from typing import TYPE_CHECKING

from components.text import escape
from engine.decoding import Generation, TokenStep
from engine.decoding.measures import distinct, ending_loop, repeated
from pages.lab6_generation.idea_study import RUN, Study

if TYPE_CHECKING:
    import pandas as pd

READING = (
    "Play, or move the slider: both texts grow token by token (a token is a word or a piece of one). The bars are the "
    "model’s <b>distribution</b>: for each token that could come next, its probability. Framed: the token that was "
    "chosen from it; · is a space. Orange and underlined: runs of four tokens that stood before. ▶: they part here."
)


def alt(study: Study) -> str:
    """The figure in a sentence."""
    left, right = (f"{repeated(text.ids, RUN):.0%}" for text in (study.left, study.right))
    place = study.parts_at
    parts = "they are the same" if place is None else f"they part at token {place + 1}"
    return f"Two texts from one prompt: {parts}. Greedy repeats {left} of its runs of four tokens, top-p {right}."


def notice(study: Study) -> str:
    """What to see in these two texts, as HTML."""
    return " ".join(filter(None, [_parting(study), _repeats(study), _seed(study)]))


def _parting(study: Study) -> str:
    place = study.parts_at
    if place is None:
        return (
            "Both texts are the same: the nucleus never held a second token, or the draws hit the likeliest each time."
        )
    greedy, drawn = study.left.steps[place], study.right.steps[place]
    return (
        f"One model, one distribution, two texts. At token {place + 1} greedy takes {_token(study, greedy)} "
        f"({_percent(greedy)}), the likeliest; the random number {drawn.draw:.3f} takes {_token(study, drawn)} "
        f"({_percent(drawn)}). From there on the model reads two different texts."
    )


def _repeats(study: Study) -> str:
    left, right = study.left.ids, study.right.ids
    if min(len(left), len(right)) < RUN:
        return ""
    said = (
        f"Greedy: {repeated(left, RUN):.0%} of its runs of four tokens stood before, and {distinct([left], 2):.0%} of "
        f"its pairs of neighbours are different ones. Top-p: {repeated(right, RUN):.0%} and {distinct([right], 2):.0%}."
    )
    loop = ending_loop(left)
    return f"{said} {_loop(study.left, loop.start)}" if loop else said


def _loop(text: Generation, start: int) -> str:
    inside = [step.candidates[0].probability for step in text.steps[start:]]
    return (
        f"Greedy ends in a loop from token {start + 1} on, and the model is sure of it: its likeliest token has "
        f"{sum(inside) / len(inside):.0%} there on average. Likely is not the same as good."
    )


def _seed(study: Study) -> str:
    n_draws = sum(step.draw is not None for step in study.right.steps)
    return (
        f"The seed fixes the right text’s {n_draws} random numbers and nothing of the left one, which draws none: "
        "change the seed and see which text stays."
    )


def agreement(ours: list[int], theirs: list[int]) -> str:
    """The audit line on greedy decoding."""
    if ours == theirs:
        return (
            f"greedy: our {len(ours)} tokens and those of transformers' generate(do_sample=False) are the same, "
            "computed on your prompt"
        )
    place = next((i for i, pair in enumerate(zip(ours, theirs)) if pair[0] != pair[1]), min(len(ours), len(theirs)))
    said = [str(ids[place]) if place < len(ids) else "none" for ids in (ours, theirs)]
    return f"greedy: from token {place + 1} on ours and transformers' differ: ours {said[0]}, theirs {said[1]}"


def table(study: Study) -> "pd.DataFrame":
    """Both texts token by token."""
    import pandas as pd

    rows = []
    for place in range(study.length):
        row: dict[str, object] = {"token": place + 1}
        for name, text in (("greedy", study.left), ("top-p", study.right)):
            step = text.steps[place] if place < len(text.steps) else None
            row[f"{name} takes"] = study.prompt.token(step.token_id) if step else ""
            row[f"{name}: probability"] = _share(step)
        drawn = study.right.steps[place] if place < len(study.right.steps) else None
        row["random number"] = drawn.draw if drawn else None
        row["in the nucleus"] = drawn.n_kept if drawn else None
        rows.append(row)
    return pd.DataFrame(rows)


def _share(step: TokenStep | None) -> float | None:
    if step is None:
        return None
    return next(one.probability for one in step.candidates if one.token_id == step.token_id)


def _token(study: Study, step: TokenStep) -> str:
    return f"<b>{escape(study.prompt.token(step.token_id))}</b>"


def _percent(step: TokenStep) -> str:
    share = _share(step)
    return f"{share:.0%}" if share >= 0.0995 else f"{share:.1%}"
