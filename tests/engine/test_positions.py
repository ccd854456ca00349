"""Positions against transformers: rotary ones and their scalings, waves, and ALiBi."""

import pytest
import torch
from transformers import LlamaConfig
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS
from transformers.models.bloom import modeling_bloom
from transformers.models.distilbert import modeling_distilbert
from transformers.models.gptj import modeling_gptj
from transformers.models.llama import modeling_llama
from transformers.models.marian import modeling_marian
from transformers.models.mpt import modeling_mpt

from engine.attention import causal_mask, masked_softmax
from engine.positions import (
    LearnedPositions,
    alibi_bias,
    alibi_slopes,
    apply_rotary,
    rotary_frequencies,
    sinusoidal_encoding,
)

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


# --- waves, learned vectors, and what is taken off for distance ----------------------------------------------------


@pytest.mark.parametrize(("seq_len", "d_model"), [(1, 2), (40, 12), (512, 64), (7, 5)])
def test_sinusoids_equal_distilbert(seq_len, d_model):
    theirs = torch.empty(seq_len, d_model)
    modeling_distilbert.create_sinusoidal_embeddings(seq_len, d_model, theirs)
    # both in float64, then rounded to float32
    torch.testing.assert_close(sinusoidal_encoding(seq_len, d_model), theirs, atol=1e-6, rtol=0)


def test_sinusoids_hold_marians_numbers_in_another_order():
    theirs = modeling_marian.MarianSinusoidalPositionalEmbedding(30, 8).create_weight()
    ours = sinusoidal_encoding(30, 8)
    torch.testing.assert_close(torch.cat([ours[:, 0::2], ours[:, 1::2]], dim=1), theirs, atol=1e-6, rtol=0)
    assert not torch.allclose(ours, theirs)


def test_a_step_is_the_same_turn_wherever_it_starts():
    """Section 3.5 of the paper: PE(p + k) is a linear function of PE(p)."""
    encoding = sinusoidal_encoding(60, 16).double()
    turn = torch.linalg.lstsq(encoding[:-7], encoding[7:]).solution
    torch.testing.assert_close(encoding[:-7] @ turn, encoding[7:], atol=1e-4, rtol=0)  # from float32 entries


@pytest.mark.parametrize("n_heads", [1, 2, 3, 4, 6, 8, 12, 16, 20, 71])
def test_alibi_slopes_equal_blooms(n_heads):
    torch.testing.assert_close(alibi_slopes(n_heads), modeling_bloom._get_alibi_slopes(n_heads, "cpu"))


@pytest.mark.parametrize("n_heads", [1, 3, 8])
def test_alibi_gives_blooms_and_mpts_weights(numbers, n_heads):
    """Their tables differ from ours by a number a row, which the softmax does not see."""
    scores, mask = numbers(n_heads, 6, 6), causal_mask(6)
    ours = masked_softmax(scores + alibi_bias(n_heads, 6), mask)
    bloom = modeling_bloom.build_alibi_tensor(torch.ones(1, 6), n_heads, torch.float32)  # (n_heads, 1, key_len)
    mpt = modeling_mpt.build_mpt_alibi_tensor(n_heads, 6)
    for theirs in (bloom, mpt):
        torch.testing.assert_close(ours, masked_softmax(scores + theirs, mask), **CLOSE)


def test_alibi_counts_from_the_last_query_and_in_both_directions():
    whole = alibi_bias(4, 5)
    torch.testing.assert_close(alibi_bias(4, 2, 5), whole[:, 3:])
    torch.testing.assert_close(whole, whole.mT)
    assert whole.diagonal(dim1=1, dim2=2).eq(0).all()
    assert whole[2, 4, 1] == -3 * alibi_slopes(4)[2]


def test_learned_positions_end_with_a_sentence():
    positions = LearnedPositions(4, 3)
    assert torch.equal(positions(torch.tensor([[0, 3]]))[0, 1], positions.weight[3])
    for wrong in (4, -1):
        with pytest.raises(ValueError, match=f"positions must lie between 0 and max_len - 1 = 3, got {wrong}"):
            positions(torch.tensor([0, wrong]))
    with pytest.raises(ValueError, match="positions must be whole numbers"):
        positions(torch.tensor([0.5]))


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: sinusoidal_encoding(0, 4), "seq_len must be a whole number of 1 or more, got 0"),
        (lambda: sinusoidal_encoding(4, 0), "d_model must be"),
        (lambda: sinusoidal_encoding(4, 4, base=1.0), "base must be .* above 1"),
        (lambda: alibi_slopes(0), "n_heads must be a whole number of 1 or more, got 0"),
        (lambda: alibi_bias(2, -1), "query_len"),
        (lambda: LearnedPositions(0, 4), "max_len must be"),
    ],
)
def test_wrong_positions_are_refused_in_a_sentence(call, says):
    with pytest.raises(ValueError, match=says):
        call()
