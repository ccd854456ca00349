"""One step taken apart: every stage is what transformers' processors leave at that place in their list."""

import math

import pytest
import torch
from transformers.generation import logits_process as theirs

from engine.decoding import Filters
from engine.decoding.stages import ORDER, filter_stages

IDS = [3, 3, 7, 41]
SETTINGS = {
    "repetition_penalty": 1.3,
    "temperature": 0.7,
    "top_k": 20,
    "top_p": 0.9,
    "min_p": 0.05,
    "typical": 0.8,
}
THEIRS = {
    "repetition_penalty": theirs.RepetitionPenaltyLogitsProcessor,
    "temperature": theirs.TemperatureLogitsWarper,
    "top_k": theirs.TopKLogitsWarper,
    "top_p": theirs.TopPLogitsWarper,
    "min_p": theirs.MinPLogitsWarper,
    "typical": theirs.TypicalLogitsWarper,
}


def random_logits(seed: int) -> torch.Tensor:
    return 3 * torch.randn(60, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("chosen", [ORDER, ("temperature", "top_p"), ("top_k",), ("repetition_penalty", "typical")])
def test_each_stage_is_what_transformers_list_leaves_up_to_there(seed, chosen):
    logits, processors = random_logits(seed), theirs.LogitsProcessorList()
    stages = filter_stages(logits, IDS, Filters(**{name: SETTINGS[name] for name in chosen}))
    assert [stage.name for stage in stages] == ["model", *ORDER]
    for stage in stages[1:]:
        assert stage.on == (stage.name in chosen)
        if stage.on:
            processors.append(THEIRS[stage.name](SETTINGS[stage.name]))
        expected = processors(torch.tensor([IDS]), logits[None].clone())[0]
        assert torch.equal(stage.logits, expected)  # the same operations: nothing to round


@pytest.mark.parametrize("seed", range(3))
def test_the_numbers_of_a_stage_are_those_of_its_distribution(seed):
    logits = random_logits(seed)
    own = logits.double().softmax(-1)
    for stage in filter_stages(logits, IDS, Filters(**SETTINGS)):
        kept = stage.logits > -math.inf
        left = stage.logits.double().softmax(-1)
        assert stage.n_kept == kept.sum()
        assert stage.kept_mass == pytest.approx(own[kept].sum().item(), abs=1e-6)  # float32
        assert stage.entropy == pytest.approx(-sum(p * math.log(p) for p in left.tolist() if p), abs=1e-5)
        assert stage.log_probs.exp().sum().item() == pytest.approx(1, abs=1e-5)


def test_temperature_keeps_the_order_and_every_token():
    for t in (0.1, 0.8, 1.9):
        before, after = (filter_stages(random_logits(4), IDS, Filters(temperature=t))[place].logits for place in (0, 2))
        assert torch.equal(before.argsort(stable=True), after.argsort(stable=True))


def test_temperature_zero_leaves_the_likeliest_alone():
    last = filter_stages(random_logits(1), IDS, Filters(temperature=0))[-1]
    assert (last.n_kept, last.entropy) == (1, 0)
    assert last.log_probs.argmax() == random_logits(1).argmax()


@pytest.mark.parametrize("filters", [Filters(no_repeat_ngram_size=2), Filters(banned=((1,),))])
def test_filters_that_are_no_stage_are_refused(filters):
    with pytest.raises(ValueError, match="filters must have no n-grams"):
        filter_stages(random_logits(0), IDS, filters)


def test_a_batch_is_refused():
    with pytest.raises(ValueError, match=r"logits must be those of one step.*\(1, 60\)"):
        filter_stages(random_logits(0)[None], IDS, Filters())
