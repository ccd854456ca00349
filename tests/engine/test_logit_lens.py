"""The logit lens: after the last block it is the model itself, and on a stream that is known it says what is known."""

import pytest
import torch

from engine import models
from engine.causal_lm import CausalLM
from engine.decoder import DecoderTrace
from engine.logit_lens import logit_lens
from engine.model_config import ModelConfig

CONFIG = ModelConfig(vocab_size=11, d_model=8, n_heads=2, n_layers=3, d_ff=16, max_len=16, norm_first=True)
IDS = [3, 1, 4, 1, 5]


@pytest.fixture
def model() -> CausalLM:
    return CausalLM(CONFIG, seed=0).eval()


def one_hot_model(n_layers: int) -> CausalLM:
    """A model whose head reads the stream itself: no tied matrix, the identity as head, a norm that keeps the order."""
    sizes = {"vocab_size": 4, "d_model": 4, "n_heads": 1, "n_layers": n_layers, "d_ff": 8, "max_len": 8}
    model = CausalLM(ModelConfig(**sizes, norm="rmsnorm", norm_first=True, tie_embeddings=False), seed=0).eval()
    with torch.no_grad():
        model.lm_head.weight.copy_(torch.eye(4))
    return model


def trace_of(*states: list[list[float]]) -> DecoderTrace:
    """A trace that holds nothing but a stream: one (seq_len, d_model) a depth."""
    stream = [torch.tensor([state]) for state in states]
    return DecoderTrace(layers=[], hidden_states=stream, output=stream[-1])


def test_after_the_last_block_the_lens_is_the_model(model):
    trace = model.trace([IDS])
    lens = logit_lens(model, trace, n_top=11)
    ours = torch.zeros(5, 11).scatter(1, lens.top_ids[-1], lens.top_probabilities[-1])
    torch.testing.assert_close(
        ours, model([IDS])[0].softmax(dim=-1), rtol=0, atol=1e-6
    )  # the fused path adds otherwise


def test_the_last_row_of_the_story_model_is_what_transformers_says():
    loaded, theirs = models.load("story-lm", device="cpu"), models.load_reference("story-lm")
    ids = [*loaded.tokenizer.start_ids, *loaded.tokenizer.encode("Once upon a time, there was a dog")]
    with torch.inference_mode():
        lens = logit_lens(loaded.model, loaded.model.trace([ids]), n_top=5)
        found = theirs(torch.tensor([ids])).logits[0].softmax(dim=-1).topk(5)
    torch.testing.assert_close(lens.top_probabilities[-1], found.values, rtol=0, atol=1e-5)
    assert lens.top_ids[-1].tolist() == found.indices.tolist()


def test_each_row_reads_the_stream_at_its_own_depth():
    """States that are (scaled) unit vectors: the norm makes them 2 and 0, so the numbers are a closed form."""
    model = one_hot_model(n_layers=2)
    lens = logit_lens(
        model,
        trace_of([[9.0, 0, 0, 0]], [[0, 0, 0.5, 0]], [[0, 0, 0, 70.0]]),
        targets=[2],
        n_top=4,
    )
    assert lens.top_ids[:, 0, 0].tolist() == [0, 2, 3]
    high = torch.e**2 / (torch.e**2 + 3)  # rms of (x, 0, 0, 0) is x / 2
    torch.testing.assert_close(lens.top_probabilities[:, 0, 0], torch.full((3,), high), rtol=1e-4, atol=0)
    low = (1 - high) / 3
    torch.testing.assert_close(lens.target_probabilities[:, 0], torch.tensor([low, high, low]), rtol=1e-4, atol=0)
    entropy = -high * torch.log(torch.tensor(high)) - 3 * low * torch.log(torch.tensor(low))
    torch.testing.assert_close(lens.entropy[:, 0], entropy.expand(3), rtol=1e-4, atol=0)
    assert lens.target_ranks[:, 0].tolist() == [1, 0, 1]  # equals do not stand before it


def test_two_equal_numbers_in_the_stream_share_a_rank():
    stream = trace_of([[5.0, 5, 1, 0]], [[0, 1.0, 5, 5]])
    lens = logit_lens(one_hot_model(n_layers=1), stream, targets=[1], n_top=1)
    assert lens.target_ranks[:, 0].tolist() == [0, 2]


def test_without_targets_each_place_is_asked_about_the_models_own_answer(model):
    lens = logit_lens(model, model.trace([IDS]))
    assert lens.targets.tolist() == model([IDS])[0].argmax(dim=-1).tolist()
    assert lens.target_ranks[-1].tolist() == [0] * 5


def test_positions_choose_columns_and_change_no_number(model):
    trace = model.trace([IDS])
    every = logit_lens(model, trace, targets=IDS, n_top=3)
    some = logit_lens(model, trace, targets=[IDS[4], IDS[1]], positions=[4, 1], n_top=3)
    assert some.positions == (4, 1)
    for field in ("top_ids", "top_probabilities", "entropy", "target_probabilities", "target_ranks"):
        torch.testing.assert_close(getattr(some, field), getattr(every, field)[:, [4, 1]])


def test_a_text_whose_beginning_is_in_the_cache_gives_the_same_rows(model):
    whole = logit_lens(model, model.trace([IDS]), positions=[3, 4])
    cache = model.new_cache(1, 5)
    model.next_logits([IDS[:3]], cache=cache)
    rest = logit_lens(model, model.trace([IDS[3:]], cache=cache))
    torch.testing.assert_close(rest.top_probabilities, whole.top_probabilities, rtol=0, atol=1e-6)  # another order
    assert rest.top_ids.tolist() == whole.top_ids.tolist()


def test_shapes(model):
    lens = logit_lens(model, model.trace([IDS]), n_top=2)
    assert lens.top_ids.shape == lens.top_probabilities.shape == (4, 5, 2)
    assert lens.entropy.shape == lens.target_probabilities.shape == lens.target_ranks.shape == (4, 5)
    assert lens.targets.shape == (5,)
    assert not lens.top_probabilities.requires_grad


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"positions": []}, "positions must be one or more from 0 to 4"),
        ({"positions": [5]}, "positions must be one or more from 0 to 4"),
        ({"positions": [-1]}, "positions must be one or more from 0 to 4"),
        ({"targets": [1, 2]}, "targets must be one id for each of 5 positions"),
        ({"targets": [1, 2, 3, 4, 11]}, "targets must be ids from 0 to 10"),
        ({"targets": [1, 2, 3, 4, -1]}, "targets must be ids from 0 to 10"),
        ({"n_top": 0}, "n_top must be a whole number from 1 to the vocabulary's 11"),
        ({"n_top": 12}, "n_top must be a whole number from 1 to the vocabulary's 11"),
        ({"n_top": True}, "n_top must be a whole number"),
    ],
)
def test_what_is_impossible_is_refused_in_a_sentence(model, options, said):
    with pytest.raises(ValueError, match=said):
        logit_lens(model, model.trace([IDS]), **options)


def test_several_texts_or_another_models_trace_are_refused(model):
    with pytest.raises(ValueError, match="trace must be of one text, got a batch of 2"):
        logit_lens(model, model.trace([IDS, IDS]))
    with pytest.raises(ValueError, match="trace must be of a model with 3 layers of d_model 8"):
        logit_lens(model, trace_of([[0.0] * 8], [[0.0] * 8]))
