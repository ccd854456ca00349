"""Lengths, turns and similarities between layers, against plain torch and on cases whose answer is known."""

import math

import pytest
import torch

from engine import models
from engine.encoder import Encoder
from engine.hidden_states import mean_similarity, measure_layers, unrelated_similarity
from engine.model_config import ModelConfig


@pytest.fixture(scope="module")
def trace():
    config = ModelConfig(vocab_size=40, d_model=16, n_heads=2, n_layers=3, d_ff=32, max_len=8)
    with torch.no_grad():
        return Encoder(config, seed=3).eval().trace([[5, 9, 5, 30, 2]])


def test_measures_equal_torchs_own_functions_on_every_layer(trace):
    found = measure_layers(trace)
    for layer, state in enumerate(trace.hidden_states):
        x = state[0]
        theirs = torch.cosine_similarity(x[:, None], x[None], dim=-1)
        torch.testing.assert_close(found.similarity[layer], theirs, atol=1e-5, rtol=0)  # float32, 16 products
        torch.testing.assert_close(found.length[layer], x.pow(2).sum(-1).sqrt())
        torch.testing.assert_close(found.spread[layer], x.std(-1, unbiased=False))
    assert found.change.shape == found.length_before_norm.shape == (3, 5)
    theirs = 1 - torch.cosine_similarity(trace.hidden_states[1][0], trace.hidden_states[2][0], dim=-1)
    torch.testing.assert_close(found.change[1], theirs)


def test_a_fresh_layer_norm_resets_every_length_to_the_square_root_of_d_model(trace):
    found = measure_layers(trace)
    # scale 1, shift 0: mean 0 and spread 1, but for eps = 1e-5
    torch.testing.assert_close(found.length, torch.full_like(found.length, math.sqrt(16)), atol=1e-3, rtol=0)
    assert found.length_before_norm.std() > 0.1, "the norm had something to reset"


def test_the_norm_of_what_stands_before_it_is_what_comes_out():
    loaded = models.load("minilm", device="cpu")
    with torch.inference_mode():
        trace = loaded.model.trace([[101, 2054, 2003, 102]])
        found = measure_layers(trace)
        for block, step, lengths in zip(loaded.model.layers, trace.blocks, found.length_before_norm, strict=True):
            summed = step.after_attention + step.feed_forward
            torch.testing.assert_close(block.feed_forward_norm(summed), step.output, atol=1e-5, rtol=0)
            torch.testing.assert_close(summed[0].norm(dim=-1), lengths)


def test_the_average_leaves_out_pairs_with_itself_and_special_tokens():
    similarity = torch.tensor(
        [[[1.0, 0.9, 0.2, 0.4], [0.9, 1.0, 0.9, 0.9], [0.2, 0.9, 1.0, 0.6], [0.4, 0.9, 0.6, 1.0]]]
    )
    assert mean_similarity(similarity, [True, False, True, True]).item() == pytest.approx(0.4)
    assert mean_similarity(similarity, [False, True, False, False]).isnan().all()


def test_unrelated_texts_are_compared_across_and_never_within():
    config = ModelConfig(vocab_size=40, d_model=16, n_heads=2, n_layers=1, d_ff=32, max_len=8)
    with torch.no_grad():
        model = Encoder(config).eval()
        traces = [model.trace([[1, 5, 6, 2]]), model.trace([[1, 7, 2]])]
    left, right = (trace.hidden_states[1][0, 1:-1] for trace in traces)
    theirs = torch.cosine_similarity(left[:, None], right[None], dim=-1).mean()
    torch.testing.assert_close(unrelated_similarity(traces)[1], theirs)
    with pytest.raises(ValueError, match="two texts or more"):
        unrelated_similarity(traces[:1])
