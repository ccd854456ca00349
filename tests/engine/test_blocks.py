"""Our encoder block against torch's, and the whole encoder's plain path against its fused one."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from engine.attention import padding_mask
from engine.blocks import EncoderBlock, make_norm
from engine.transformer import Encoder, ModelConfig

CLOSE = {"atol": 5e-6, "rtol": 1e-5}  # float32 through two sublayers and two norms
SMALL = {"vocab_size": 11, "d_model": 8, "n_heads": 2, "n_layers": 3, "d_ff": 12, "max_len": 6}


@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("activation", ["relu", "gelu", F.gelu, nn.GELU(approximate="tanh"), nn.ReLU()], ids=str)
@pytest.mark.parametrize("bias", [True, False])
def test_block_equals_torch(numbers, norm_first, activation, bias):
    options = {"activation": activation, "norm_first": norm_first, "bias": bias}
    theirs = nn.TransformerEncoderLayer(12, 3, 20, dropout=0.1, batch_first=True, **options).eval()
    for norm in (theirs.norm1, theirs.norm2):  # a fresh norm is all 1 and 0 and would hide a swap
        norm.weight = nn.Parameter(1 + 0.3 * numbers(12))
    ours, x, mask = EncoderBlock.from_torch(theirs), numbers(2, 5, 12), padding_mask([5, 3], 5)
    expected = theirs(x, src_key_padding_mask=~mask[:, 0, 0])
    torch.testing.assert_close(ours(x, mask)[0], expected[0], **CLOSE)
    torch.testing.assert_close(ours(x, mask)[1, :3], expected[1, :3], **CLOSE)  # torch zeroes padded rows, we do not
    torch.testing.assert_close(ours.trace(x, mask).output, ours(x, mask), **CLOSE)


@pytest.mark.parametrize("norm", ["layernorm", "rmsnorm"])
@pytest.mark.parametrize("norm_first", [False, True])
def test_block_trace_adds_up(numbers, norm, norm_first):
    block, x = EncoderBlock(8, 2, 16, norm_first=norm_first, norm=norm), numbers(1, 4, 8)
    trace = block.trace(x)
    attended = x + trace.attention.output
    after = attended if norm_first else block.attention_norm(attended)
    torch.testing.assert_close(trace.after_attention, after, **CLOSE)
    end = trace.after_attention + trace.feed_forward
    torch.testing.assert_close(trace.output, end if norm_first else block.feed_forward_norm(end), **CLOSE)


def test_without_shortcuts_the_input_is_gone(numbers):
    block, x = EncoderBlock(8, 2, 16, norm_first=True, residual=False), numbers(1, 4, 8)
    trace = block.trace(x)
    torch.testing.assert_close(trace.after_attention, trace.attention.output, rtol=0, atol=0)
    torch.testing.assert_close(trace.output, trace.feed_forward, rtol=0, atol=0)


def test_norms_equal_their_formulas(numbers):
    x = numbers(3, 8)
    centred = x - x.mean(-1, keepdim=True)
    layer = centred / (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt()  # eps inside the root, no n - 1
    torch.testing.assert_close(make_norm("layernorm", 8)(x), layer, **CLOSE)
    rms = x / (x.square().mean(-1, keepdim=True) + 1e-5).sqrt()
    torch.testing.assert_close(make_norm("rmsnorm", 8)(x), rms, **CLOSE)


@pytest.mark.parametrize("norm_first", [False, True])
def test_encoder_trace_equals_forward_also_with_muted_heads(norm_first):
    encoder = Encoder(ModelConfig(**SMALL, norm_first=norm_first, n_token_types=2, n_kv_heads=1)).eval()
    ids, real, types = [[1, 2, 3, 4], [5, 6, 0, 0]], [[1, 1, 1, 1], [1, 1, 0, 0]], [[0, 0, 1, 1], [0, 1, 1, 1]]
    for muted in ([], [(0, 1), (2, 0)]):
        trace = encoder.trace(ids, real, types, muted_heads=muted)
        torch.testing.assert_close(trace.output, encoder(ids, real, types, muted_heads=muted), **CLOSE)
        assert len(trace.layers) == 3
        assert len(trace.hidden_states) == 4
        for layer, head in muted:
            assert trace.layers[layer].context[:, head].eq(0).all()
    alone = encoder([[5, 6]], None, [[0, 1]])
    torch.testing.assert_close(encoder(ids, real, types)[1:, :2], alone, **CLOSE)  # padding is not read


def test_dropout_is_off_in_eval_and_on_in_training():
    encoder = Encoder(ModelConfig(**SMALL, dropout=0.5))
    ids = torch.tensor([[1, 2, 3]])
    assert not torch.equal(encoder(ids), encoder(ids))
    encoder.eval()
    assert torch.equal(encoder(ids), encoder(ids))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"n_heads": 3}, "n_heads must divide d_model = 8.*got 3"),
        ({"positions": "waves"}, "positions must be one of learned, .*none, got 'waves'"),
        ({"norm": "batchnorm"}, "norm must be one of layernorm, rmsnorm"),
        ({"activation": "swish"}, "activation must be one of"),
        ({"dropout": 1.0}, "dropout must be a share"),
        ({"n_layers": 0}, "n_layers must be a whole number of 1 or more, got 0"),
        ({"vocab_size": 2.5}, "vocab_size"),
        ({"n_kv_heads": 3}, "n_kv_heads must divide"),
        ({"norm_eps": 0.0}, "norm_eps must be above 0"),
    ],
)
def test_a_wrong_config_is_refused_in_a_sentence(change, says):
    with pytest.raises(ValueError, match=says):
        ModelConfig(**(SMALL | change))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (([[1, 11]],), "ids must lie between 0 and 10, got 11"),
        (([[-1]],), "ids must lie between 0 and 10, got -1"),
        (([1, 2],), "ids must be whole numbers"),
        (([[0.5]],), "ids must be whole numbers"),
        (([[]],), "ids must be whole numbers"),
        (([[1] * 7],), "at most max_len = 6 tokens a text, got 7"),
        (([[1, 2]], [[1]]), "attention_mask must have the shape of ids"),
        (([[1, 2]], None, [[0, 0]]), "token_type_ids must be None"),
        (([[1, 2]], None, None, [(3, 0)]), r"muted_heads must be pairs .* got \(3, 0\)"),
    ],
)
def test_wrong_inputs_are_refused_in_a_sentence(arguments, says):
    with pytest.raises(ValueError, match=says):
        Encoder(ModelConfig(**SMALL))(*arguments)


def test_a_wrong_block_is_refused_in_a_sentence():
    with pytest.raises(ValueError, match="activation must be one of"):
        EncoderBlock(8, 2, 16, norm_first=True, activation="tanh")
    with pytest.raises(ValueError, match="dropout must be a share"):
        EncoderBlock(8, 2, 16, norm_first=True, dropout=2.0)
