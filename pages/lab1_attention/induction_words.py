"""The sentences of section 9, made from the numbers of the run on screen."""

from engine import jobs
from engine.experiments.induction import WATCHED_LEN, Head, learned_at
from pages.lab1_attention import induction_run as of

STRONG = 0.5  # a score from which a head may be called by its name


def head_name(head: Head) -> str:
    """One head in words: "two layers: layer 1, head 3"."""
    if head.depth == 1:
        return f"one layer: head {head.head + 1}"
    return f"{of.DEPTH_NAMES[head.depth]}: layer {head.layer + 1}, head {head.head + 1}"


def notice(record: jobs.Record, look: of.Look) -> str:
    """What the losses say about the two copies, and which heads explain it."""
    return f"{_losses(record)} {_heads(record, look)}"


def _losses(record: jobs.Record) -> str:
    config = record.config
    first, second = of.end_losses(record, "first"), of.end_losses(record, "second")
    known = [learned_at(record.events, place, config.guessing / 2) for place in range(2)]
    said = (
        f"After {record.events[-1]['step']} steps the loss on the first copy is {first[0]:.2f} with one layer and "
        f"{first[1]:.2f} with two; guessing costs ln {config.vocab_size} = {config.guessing:.2f}. "
    )
    if max(first) < 1.5 * config.guessing:
        said += "Nothing can announce random tokens. "
        if first[1] > config.guessing + 0.05:
            said += "Two layers even do worse than guessing: a token that recurs by chance looks like a repetition. "
    said += f"On the second copy it is <b>{second[0]:.2f} with one layer and {second[1]:.2f} with two</b>. "
    if known[0] is None and known[1] is not None and not config.one_length:
        said += (
            f"Two layers fell below half of guessing at step {known[1]}. One layer can learn which tokens a line "
            "holds, not which of them comes next."
        )
    elif known[0] is not None and config.one_length:
        said += _counting(record)
    elif known[0] is None and known[1] is None:
        said += "Neither has learned to use the first copy" + (" yet." if record.result is None else ".")
    return said


def _counting(record: jobs.Record) -> str:
    said = (
        f"One layer manages too, because all copies have {record.config.longest} tokens: counting back "
        f"{record.config.longest - 1} places is enough, and no head has to look at the tokens."
    )
    if record.result:
        said += (
            f" On lines whose copies have {WATCHED_LEN} tokens, as above, its loss on the second copy is "
            f"{record.result['second'][0]:.2f}."
        )
    return said


def _heads(record: jobs.Record, look: of.Look) -> str:
    """The two heads that work together, if they are there at this moment."""
    before = of.best_head(record, "previous", 2, layer=0)
    finds = of.best_head(record, "induction", 2, layer=1)
    previous, induction = look.previous[before], look.induction[finds]
    head, other = record.config.heads[finds], record.config.heads[before]
    if induction >= STRONG:
        helper = (
            f" It can do so because head {other.head + 1} of layer 1 gives {previous:.2f} to the token before: each "
            "token then carries the name of its predecessor, and that is what layer 2 looks for."
            if previous >= STRONG
            else ""
        )
        return (
            f"At step {look.step} head {head.head + 1} of layer 2 gives {induction:.2f} of its weight to the token "
            f"after the last time.{helper}"
        )
    later = of.looks(record)[-1]
    if later["induction"][finds] >= STRONG:
        return (
            f"At step {look.step} head {head.head + 1} of layer 2 gives only {induction:.2f} to the token after the "
            f"last time; at step {later['step']} it gives {later['induction'][finds]:.2f}."
        )
    return f"At step {look.step} no head of layer 2 gives more than {max(_layer_two(record, look)):.2f} to that token."


def _layer_two(record: jobs.Record, look: of.Look) -> list[float]:
    return [score for head, score in zip(record.config.heads, look.induction, strict=True) if head.layer == 1]


def forming(record: jobs.Record, step: int) -> int:
    """The moment, in per cent, at which two layers cross half of guessing; the middle where they never do."""
    at = learned_at(record.events, 1, record.config.guessing / 2)
    return 50 if at is None else step * round(100 * at / record.config.steps / step)


def how_made(record: jobs.Record, *, own: bool) -> str:
    """Whose run it is, and how the stored one was made. own: whether the learner has one, if only just begun."""
    if own or not record.stored:
        return "Your own run, trained on this server."
    return f"Stored run, made by {record.command} in {record.seconds:.0f} s on {record.machine}."
