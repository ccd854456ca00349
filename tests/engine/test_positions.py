"""Rotary positions against transformers' Llama, GPT-J and its scaling functions."""

import pytest
import torch
from transformers import LlamaConfig
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS
from transformers.models.gptj import modeling_gptj
from transformers.models.llama import modeling_llama

from engine.positions import apply_rotary, rotary_frequencies

CLOSE = {"atol": 1e-5, "rtol": 1e-5}  # sines of angles up to 40, each rounded to float32


def llama(head_dim, base=10000.0, **rope):
    rope = {"rope_type": "default", "rope_theta": base} | rope
    return LlamaConfig(
        hidden_size=2 * head_dim, num_attention_heads=2, max_position_embeddings=64, rope_parameters=rope
    )


@pytest.mark.parametrize(("head_dim", "base"), [(2, 10000.0), (8, 10000.0), (64, 500000.0)])
def test_half_split_equals_llama(numbers, head_dim, base):
    x, positions = numbers(2, 3, 40, head_dim), torch.arange(40)
    cos, sin = modeling_llama.LlamaRotaryEmbedding(llama(head_dim, base))(x, positions[None])
    theirs, _ = modeling_llama.apply_rotary_pos_emb(x, x, cos, sin)
    torch.testing.assert_close(apply_rotary(x, positions, base=base), theirs, **CLOSE)


def test_interleaved_equals_gpt_j(numbers):
    x, positions = numbers(1, 3, 20, 8), torch.arange(20)
    sin, cos = modeling_gptj.create_sinusoidal_positions(20, 8)[None].chunk(2, dim=-1)
    theirs = modeling_gptj.apply_rotary_pos_emb(x.transpose(1, 2), sin, cos).transpose(1, 2)
    torch.testing.assert_close(apply_rotary(x, positions, interleaved=True), theirs, **CLOSE)


def test_the_two_layouts_differ_only_by_a_permutation(numbers):
    x, positions, order = numbers(5, 8), torch.arange(5), [0, 2, 4, 6, 1, 3, 5, 7]
    half, paired = apply_rotary(x[:, order], positions), apply_rotary(x, positions, interleaved=True)
    torch.testing.assert_close(half, paired[:, order], **CLOSE)
    assert not torch.allclose(apply_rotary(x, positions), paired)


@pytest.mark.parametrize("kind", ["linear", "dynamic", "yarn"])
@pytest.mark.parametrize("head_dim", [4, 16, 64, 128])
@pytest.mark.parametrize("seq_len", [32, 300])
def test_scaled_frequencies_equal_transformers(numbers, kind, head_dim, seq_len):
    rope = {"rope_type": kind, "factor": 4.0}
    rope |= {"original_max_position_embeddings": 64} if kind == "yarn" else {}
    config = llama(head_dim, **rope)
    theirs, length = ROPE_INIT_FUNCTIONS[kind](config, "cpu", seq_len=seq_len)
    scaling = {"type": kind, "factor": 4.0, "original_max_len": 64, "seq_len": seq_len}
    torch.testing.assert_close(rotary_frequencies(head_dim, scaling=scaling), theirs, rtol=1e-6, atol=0)  # same formula
    x, positions = numbers(7, head_dim), torch.arange(7)
    angles = torch.cat([positions[:, None] * theirs] * 2, dim=-1)
    turned = x * angles.cos() * length + modeling_llama.rotate_half(x) * angles.sin() * length
    torch.testing.assert_close(apply_rotary(x, positions, scaling=scaling), turned, **CLOSE)


def test_only_the_distance_matters(numbers):
    query, key = numbers(1, 16), numbers(1, 16)
    near = apply_rotary(query, torch.tensor([9])) @ apply_rotary(key, torch.tensor([4])).T
    far = apply_rotary(query, torch.tensor([39])) @ apply_rotary(key, torch.tensor([34])).T
    torch.testing.assert_close(near, far, **CLOSE)


@pytest.mark.parametrize("interleaved", [False, True])
def test_each_text_of_a_batch_can_have_its_own_positions(numbers, interleaved):
    x, positions = numbers(2, 3, 4, 8), torch.tensor([[0, 1, 2, 3], [5, 6, 7, 8]])
    ours = apply_rotary(x, positions, interleaved=interleaved)
    for row in range(2):
        alone = apply_rotary(x[row], positions[row], interleaved=interleaved)
        torch.testing.assert_close(ours[row], alone, rtol=0, atol=0)  # the same arithmetic


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: rotary_frequencies(3), "head_dim must be an even number.*got 3"),
        (lambda: rotary_frequencies(4, base=1.0), "base must be .* above 1"),
        (lambda: rotary_frequencies(4, scaling={"type": "magic", "factor": 2.0}), "linear, dynamic, yarn, got 'magic'"),
        (lambda: rotary_frequencies(4, scaling={"type": "linear"}), "'factor' must be .* got None"),
        (lambda: rotary_frequencies(4, scaling={"type": "linear", "factor": 2, "speed": 1}), "unknown entries"),
        (lambda: rotary_frequencies(4, scaling={"type": "dynamic", "factor": 2, "original_max_len": 8}), "'seq_len'"),
        (lambda: apply_rotary(torch.zeros(3, 4), torch.arange(2)), "positions must be"),
    ],
)
def test_wrong_arguments_are_refused_in_a_sentence(call, says):
    with pytest.raises(ValueError, match=says):
        call()
