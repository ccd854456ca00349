"""The single measurements of the job "decoding-speed": each method takes one, and gives the event that tells of it.

Every time is processor time of one thread, the shortest of several: what else the machine does should not count. No
text ends before its last token, so that all of them have the same length and tokens a second can be compared.
"""

import math
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING

import torch

from engine import models
from engine.decoding import (
    Filters,
    SpeculativeGeneration,
    beam_search,
    fit_prompt,
    greedy,
    greedy_steps,
    sample,
    speculative,
)
from engine.decoding.reading import open_reader
from engine.decoding.remembering import Remembering

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from engine.experiments.decoding_speed import DecodingSpeedConfig

PHRASE = " happy"  # what the constrained beam search must write
PEER_BEAMS = 4
FILTERS = {"temperature": 0.8, "top_k": 50, "top_p": 0.9}
LARGE = 128_000_000  # bytes of an array that is too large for any memory near the processor
LEAST = 0.15  # seconds spent at least on a short measurement
LIMIT = 4.0  # seconds after which a long one is not repeated
ROOM = 16  # tokens behind the longest text, for reading several at once
LOOKED_AT = 4  # places behind the prompt, of which the least decided one is drawn from many times
LEAST_COUNT = 8  # expected draws of a token, from which on its count may be compared


# Processor time leaves out what other work on the machine takes. Where its clock is coarse, the wall's is better.
PRECISE = time.get_clock_info("process_time").resolution < 1e-5
now = time.process_time if PRECISE else time.perf_counter


def fastest(run: Callable[[], object], repeats: int) -> float:
    """The shortest of `repeats` times in seconds; short runs are repeated more often, long ones less."""
    times: list[float] = []
    while not times or sum(times) < (LEAST if len(times) >= repeats else LIMIT):
        start = now()
        run()
        times.append(now() - start)
    return min(times)


class Bench:
    """A model, its draft, a prompt, and what can be measured with them."""

    def __init__(self, config: "DecodingSpeedConfig") -> None:
        self.config = config
        loaded = models.load(config.model, device="cpu")
        self.model, self.tokenizer = loaded.model, loaded.tokenizer
        always = self.tokenizer.start_ids
        self.prompt, _ = fit_prompt(
            [*always, *self.tokenizer.encode(config.prompt)],
            self.tokenizer.context,
            keep_free=config.new_tokens,
            always=len(always),
        )

    @cached_property
    def draft(self) -> object:
        return models.load(self.config.draft, device="cpu").model

    @cached_property
    def theirs(self) -> "PreTrainedModel":
        """transformers' own model on the same weights, as it comes: with torch's fused attention."""
        found = models.load_reference(self.config.model)
        found.set_attn_implementation("sdpa")
        found.generation_config.eos_token_id = None
        found.generation_config.do_sample = False
        return found

    def memory(self, what: str) -> dict:
        """How fast the processor gets through the bytes of an array, by adding it up."""
        n_bytes = weight_bytes(self.model) if what == "weights" else LARGE
        array = torch.ones(n_bytes // 4)
        return {"kind": "memory", "what": what, "bytes": n_bytes, "seconds": self._seconds(array.sum)}

    def next_token(self, reading: str, length: int) -> dict:
        """One more token behind a text of `length` tokens."""
        reader = self._reader(reading, length)

        def once() -> None:
            reader.advance([0], [0])
            reader.truncate(length)

        return {"kind": "cache", "reading": reading, "length": length, "seconds": self._seconds(once)}

    def at_once(self, who: str, n_tokens: int) -> dict:
        """Several tokens of one text, read by the model or its draft in one go."""
        length = len(self.prompt)
        reader = self._reader("auto", length, self.model if who == "model" else self.draft)

        def once() -> None:
            if n_tokens == 1:
                reader.advance([0], [0])
            else:
                reader.extend([0] * n_tokens)
            reader.truncate(length)

        return {"kind": "at-once", "who": who, "tokens": n_tokens, "seconds": self._seconds(once)}

    def batch(self, texts: int) -> dict:
        """Several texts from one prompt, side by side."""
        run = partial(self._sample, num_return=texts)
        return {"kind": "batch", "texts": texts, "tokens": self.config.new_tokens, "seconds": self._seconds(run)}

    def strategy(self, name: str, beams: int = 0) -> dict:
        """One text by one of our ways of choosing."""
        common = {"max_new_tokens": self.config.new_tokens}
        ways: dict[str, Callable[[], object]] = {
            "greedy": partial(greedy, self.model, self.prompt, **common),
            "sampling": self._sample,
            "filtered": partial(self._sample, **FILTERS),
            "beam": partial(beam_search, self.model, self.prompt, num_beams=beams, **common),
            "constrained": partial(self._constrained, beams),
        }
        seconds = self._seconds(ways[name])
        tokens = self.config.new_tokens
        return {"kind": "strategy", "name": name, "by": "ours", "beams": beams, "tokens": tokens, "seconds": seconds}

    def peer(self, name: str) -> dict:
        """The same by transformers' generate, and whether it wrote the same text."""
        beams = PEER_BEAMS if name == "beam" else 0
        ids = torch.tensor([self.prompt])
        settings = {"do_sample": True, "top_k": 0} if name == "sampling" else {"num_beams": beams or 1}
        n, written = self.config.new_tokens, []

        @torch.no_grad()
        def once(n_tokens: int) -> None:
            found = self.theirs.generate(
                ids, attention_mask=torch.ones_like(ids), max_new_tokens=n_tokens, pad_token_id=0, **settings
            )
            written[:] = found[0, len(self.prompt) :].tolist()

        once(2)  # loads the library, and pays for its first call
        seconds = self._seconds(partial(once, n))
        return {
            "kind": "strategy",
            "name": name,
            "by": "transformers",
            "beams": beams,
            "tokens": n,
            "seconds": seconds,
            "same": None if name == "sampling" else written == self._ours(beams),
        }

    def drafted(self, n_draft: int, temperature: float) -> dict:
        """Texts with so many tokens drafted at a time; 0: without a draft. The same seeds for every draft length."""
        found: list[SpeculativeGeneration] = []
        texts = 1 if temperature == 0 else self.config.texts
        settings = {"max_new_tokens": self.config.new_tokens, "temperature": temperature}
        seconds = 0.0
        for text in range(texts):
            seed = self.config.seed + text
            if n_draft == 0:
                seconds += self._seconds(partial(sample, self.model, self.prompt, seed=seed, **settings))
                continue
            write = partial(speculative, self.model, self.draft, self.prompt, n_draft=n_draft, seed=seed, **settings)
            found.append(write())
            seconds += self._seconds(write)
        rounds = [one for text in found for one in text.rounds]
        return {
            "kind": "draft",
            "n_draft": n_draft,
            "temperature": temperature,
            "tokens": texts * self.config.new_tokens,
            "seconds": seconds,
            "rounds": len(rounds),
            "checked": sum(len(one.chances) for one in rounds),
            "accepted": sum(one.n_accepted for one in rounds),
        }

    def first_tokens(self) -> dict:
        """One token drawn many times with a draft, beside the model's own probabilities.

        Each draw goes through engine.decoding.speculative, at the least decided place near the prompt. Tokens that are
        expected less than LEAST_COUNT times are one class together, the last one.
        """
        n, temperature, context = self.config.draws, self.config.temperature, self._undecided()
        own, drafts = (self._probabilities(model, context) for model in (self.model, self.draft))
        large, small = (Remembering(model, context, room=2) for model in (self.model, self.draft))
        generator = torch.Generator().manual_seed(self.config.seed)
        settings = {"max_new_tokens": 2, "n_draft": 1, "temperature": temperature, "seed": generator}
        counts = Counter(speculative(large, small, context, **settings).ids[0] for _ in range(n))
        common = [token for token in own.argsort(descending=True).tolist() if own[token] * n >= LEAST_COUNT]

        def with_the_rest(values: Sequence[float], total: float) -> list[float]:
            shown = [float(values[token]) for token in common]
            return [*shown, max(0.0, total - math.fsum(shown))]

        return {
            "kind": "first-tokens",
            "draws": n,
            "temperature": temperature,
            "context": context,
            "tokens": common,
            "counts": [*(counts[token] for token in common), n - sum(counts[token] for token in common)],
            "model": with_the_rest(own, 1.0),
            "draft": with_the_rest(drafts, 1.0),
        }

    def _undecided(self) -> list[int]:
        """The prompt and as many greedy tokens, up to LOOKED_AT, as lead to where the model is least sure."""
        steps = list(greedy_steps(self.model, self.prompt, max_new_tokens=LOOKED_AT))
        place = max(range(LOOKED_AT), key=lambda one: steps[one].entropy)
        return [*self.prompt, *(step.token_id for step in steps[:place])]

    def _probabilities(self, model: object, context: list[int]) -> torch.Tensor:
        logits = open_reader(model, len(context)).start(context)  # (1, vocab_size)
        filters = Filters(temperature=self.config.temperature)
        return filters.apply(logits, [[]], [[]])[0].double().softmax(dim=-1)  # (vocab_size,)

    def _sample(self, **settings) -> object:
        settings = {"max_new_tokens": self.config.new_tokens, "seed": self.config.seed, **settings}
        return sample(self.model, self.prompt, **settings)

    def _constrained(self, beams: int) -> object:
        phrase = self.tokenizer.encode(PHRASE)
        settings = {"num_beams": beams, "max_new_tokens": max(self.config.new_tokens, len(phrase))}
        return beam_search(self.model, self.prompt, must_include=[phrase], **settings)

    def _ours(self, beams: int) -> list[int]:
        n = self.config.new_tokens
        if beams:
            return beam_search(self.model, self.prompt, num_beams=beams, max_new_tokens=n)[0].ids
        return greedy(self.model, self.prompt, max_new_tokens=n).ids

    def _reader(self, reading: str, length: int, model: object | None = None) -> object:
        """A reader that has read a text of `length` tokens. Which tokens they are does not change the time."""
        model = self.model if model is None else model
        dice = random.Random(self.config.seed)
        reader = open_reader(model, length + ROOM, reading=reading)
        reader.start([dice.randrange(model.config.vocab_size) for _ in range(length)])
        return reader

    def _seconds(self, run: Callable[[], object]) -> float:
        return fastest(run, self.config.repeats)


def weight_bytes(model: torch.nn.Module) -> int:
    """The bytes of all weights: what has to be fetched for each token."""
    return sum(weight.nbytes for weight in model.parameters())
