"""The race in words, made from its numbers: the challenge, who won, and what each layer's gradient says."""

import math

from engine import jobs
from engine.budget import count_parameters
from engine.experiments.initial_gradients import GradientsByDepth
from engine.experiments.markov import entropy
from engine.experiments.norm_race import NAMES, NormRaceConfig, guessing, summarise, winner


def challenge(n_layers: str, warmup_steps: int) -> str:
    """What is about to happen."""
    warm = (
        f"<b>with warm-up</b>: the learning rate rises in a straight line over the first {warmup_steps} steps"
        if warmup_steps
        else "<b>without warm-up</b>: the learning rate stands at its full height from the first step"
    )
    return (
        f"Two small language models of <b>{n_layers} layers</b> learn the same language, {warm}. Both start with the "
        "same weights and read the same texts. Only the place of the norm differs. (A norm brings a token’s vector "
        "back to one size; a part is attention or feed-forward.)"
    )


def sketch(norm_first: bool) -> str:
    """One part with its norm and its shortcut, from left to right: x + part(norm(x)), or norm(x + part(x))."""
    part, norm, add = ("part", "#5B6875"), ("norm", "#009E73"), ("+ x", "#CC79A7")
    boxes = [norm, part, add] if norm_first else [part, add, norm]
    box = "display:inline-block;padding:.35rem .9rem;border-radius:8px;border:2px solid {0};background:{0}33"
    drawn = "".join(f' → <span style="{box.format(colour)}">{name}</span>' for name, colour in boxes)
    return f'<p style="margin:0;font-size:1.1rem;white-space:nowrap">x{drawn} →</p>'


def settings(config: NormRaceConfig) -> str:
    """The settings that a learner chooses, in a line."""
    warm = f"warm-up of {config.warmup_steps} steps" if config.warmup_steps else "no warm-up"
    return f"{config.n_layers} layers, {warm}, learning rate {config.learning_rate:g}, seed {config.seed}"


def look_at(events: list[dict], wish: int | None) -> int | None:
    """The step nearest to the wish whose layers were looked at; None as a wish: the newest."""
    looked = [event["step"] for event in events if any("gradient" in event[name] for name in NAMES)]
    if not looked:
        return None
    return looked[-1] if wish is None else min(looked, key=lambda step: abs(step - wish))


def summaries(record: jobs.Record) -> dict[str, dict]:
    """Each racer's summary, of a run that has ended or of what there is so far."""
    return {name: summarise([event[name]["loss"] for event in record.events], record.config) for name in NAMES}


def verdict(record: jobs.Record, guess: str, guesses: dict[str, str]) -> str:
    """The guess beside what the run says."""
    config, found = record.config, summaries(record)
    done = len(record.events)
    if any(found[name]["diverged"] for name in NAMES):
        return _diverged(found, config)
    over = done >= config.steps
    if not over and not all(found[name]["halfway"] for name in NAMES):
        return f"You said: <b>{guesses[guess]}</b>. Step {done} of {config.steps}; {_race_so_far(found)}."
    says = winner(found["pre"], found["post"])
    right = "You were right." if says == guess else "The run disagrees."
    return (
        f"You said: <b>{guesses[guess]}</b>. The run says: <b>{guesses[says]}</b>. {right} "
        f"Halfway from guessing to the lowest possible loss: {_halfway(found, done)}."
    )


def _diverged(found: dict[str, dict], config: NormRaceConfig) -> str:
    stopped = [name for name in NAMES if found[name]["diverged"]]
    steps = " and ".join(f"<b>{NAMES[name]}</b> at step {found[name]['diverged']}" for name in stopped)
    return (
        f"The loss was no number any more: {steps}. "
        f"{'Both' if len(stopped) == 2 else 'It'} stopped there; the curves up to that step are kept. "
        f"Change the <b>learning rate</b>: below {config.learning_rate:g}."
    )


def _race_so_far(found: dict[str, dict]) -> str:
    losses = [f"{NAMES[name]} at {found[name]['final']:.2f}" for name in NAMES if found[name]["final"] is not None]
    return "loss of " + ", ".join(losses) if losses else "nothing measured yet"


def _halfway(found: dict[str, dict], done: int) -> str:
    words = []
    for name in NAMES:
        step = found[name]["halfway"]
        words.append(f"{NAMES[name]} after {step} steps" if step else f"{NAMES[name]} not in {done} steps")
    return ", ".join(words)


def notice(events: list[dict], step: int, config: NormRaceConfig) -> str:
    """What the layers' numbers say at this step."""
    event = next(event for event in events if event["step"] == step)
    return " ".join(
        part
        for part in (_loss_words(event, config), _gradient_words(event, step), _stream_words(event, config))
        if part
    )


def _loss_words(event: dict, config: NormRaceConfig) -> str:
    stuck = [name for name in NAMES if event["step"] > 20 and abs((event[name]["loss"] or 0) - guessing(config)) < 0.08]
    if not stuck:
        return ""
    who = " and ".join(NAMES[name] for name in stuck)
    return (
        f"{who} stands at ln {config.vocab_size} = {guessing(config):.2f}, the loss of giving all "
        f"{config.vocab_size} words the same chance: what a token was does not get through the layers."
    )


def _gradient_words(event: dict, step: int) -> str:
    said = []
    for name in NAMES:
        sizes = event[name].get("gradient") or []
        if len(sizes) > 1 and all(sizes):
            said.append(f"{NAMES[name]}’s gradient goes {_from_to(sizes[-1], sizes[0])}")
    if not said:
        return ""
    return f"At step {step}, from the last layer back to the first: {'; '.join(said)}."


def _from_to(last: float, first: float) -> str:
    ratio = max(first, last) / min(first, last)
    change = "larger" if first > last else "smaller"
    how = f", {_short(ratio)} times {change}" if ratio >= 1.15 else ", about the same"
    return f"from {_short(last)} to {_short(first)}{how}"


def _short(number: float) -> str:
    """
    >>> _short(1.002), _short(254.3), _short(0.001855)
    ('1.0', '254', '0.0019')
    """
    return f"{number:.0f}" if 100 <= number < 1e5 else f"{number:#.2g}".removesuffix(".")


def _stream_words(event: dict, config: NormRaceConfig) -> str:
    pre, post = (event[name].get("residual") or [] for name in ("pre", "post"))
    if not pre or not post or None in (pre[0], pre[-1], post[-1]):
        return ""
    root = f"√{config.d_model} = {math.sqrt(config.d_model):.3g}"
    return (
        f"Pre-LN only adds to its stream, which grows from {_short(pre[0])} to {_short(pre[-1])}; Post-LN’s norm "
        f"brings it back to about {root} after each layer (last: {_short(post[-1])})."
    )


def how_measured(record: jobs.Record | None, config: NormRaceConfig) -> str:
    """What was trained, and how."""
    size = count_parameters(config.model(norm_first=False))
    made = f"; made by {record.command}" if record and record.command else ""
    return (
        f"measured: {size:,} parameters each, {config.steps} steps of Adam without clipping, {config.batch} new texts "
        f"of {config.seq_len} words a step, {settings(config)}; lowest possible loss {entropy():.4f}{made}"
    )


def paper(found: GradientsByDepth) -> list[str]:
    """What the paper found, and what stands beside it: paragraphs."""
    first, last = found.depths[0], found.depths[-1]
    return [
        "<b>What the paper found.</b> Xiong et al. 2020 trained translators from German to English. Post-LN scored "
        "8.45 BLEU without warm-up and about 34 with it; Pre-LN about 34 without. (BLEU counts the phrases shared with "
        "a human translation; higher is better.)",
        "<b>Its reason.</b> Before any training, the gradient of the last layer’s feed-forward weights shrinks with "
        "depth for Pre-LN, like 1 / √layers. For Post-LN it stays large, so full steps at the start go too far. A "
        "warm-up keeps them small.",
        f"<b>Our miniature.</b> From {first} to {last} layers that gradient goes from {found.pre[0]:.2f} to "
        f"{found.pre[-1]:.2f} for Pre-LN, and from {found.post[0]:.2f} to {found.post[-1]:.2f} for Post-LN.",
    ]


def direction(found: GradientsByDepth) -> str:
    """The expected direction and the measured one."""
    return (
        f"expected: Pre-LN falls like layers^-0.5, Post-LN does not fall (0); measured: {found.pre_exponent:+.2f} and "
        f"{found.post_exponent:+.2f}"
    )
