"""Whole models: padding changes nothing, a cache changes nothing, the plain path equals the fused one."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from engine.attention import causal_mask
from engine.cache import KeyValueCache
from engine.transformer import CausalLM, Decoder, Encoder, EncoderDecoder, ModelConfig

CLOSE = {"atol": 1e-5, "rtol": 1e-5}  # what the issue asks of the cache; float32 through three layers
SMALL = {"vocab_size": 11, "d_model": 16, "n_heads": 4, "n_layers": 3, "d_ff": 12, "max_len": 12}
POSITIONS = ("learned", "sinusoidal", "rotary", "alibi", "none")
STYLES = {
    "gpt2": {"norm_first": True, "activation": "gelu_tanh"},
    "llama": {"norm_first": True, "activation": "swiglu", "norm": "rmsnorm", "bias": False, "n_kv_heads": 2},
    "2017": {"activation": "relu", "n_kv_heads": 1, "scale_embeddings": True, "tie_embeddings": False},
}
SCALINGS = ({"rotary_scaling": kind, "rotary_factor": 4.0, "max_len": 5} for kind in ("linear", "dynamic", "yarn"))
CONFIGS = [
    *(ModelConfig(**(SMALL | style | {"positions": p})) for style, p in itertools.product(STYLES.values(), POSITIONS)),
    *(ModelConfig(**(SMALL | STYLES["llama"] | {"positions": "rotary"} | scaling)) for scaling in SCALINGS),
]
IDS = torch.tensor([[3, 1, 4, 1, 5, 9, 2, 6, 5], [2, 7, 1, 8, 2, 8, 1, 0, 4]])


def name(config):
    return f"{config.positions}-{config.rotary_scaling}-{config.activation}"


@pytest.fixture(params=CONFIGS, ids=name)
def model(request):
    return CausalLM(request.param, seed=5).eval()


def test_trace_equals_forward(model):
    real = torch.tensor([[0, 0, 1, 1, 1, 1, 1, 1, 1], [1] * 9])
    for mask, muted in itertools.product((None, real), ([], [(0, 1), (2, 3)])):
        trace = model.trace(IDS, attention_mask=mask, muted_heads=muted)
        torch.testing.assert_close(trace.logits, model(IDS, attention_mask=mask, muted_heads=muted), **CLOSE)
        assert len(trace.layers) == 3
        assert len(trace.hidden_states) == 4
        torch.testing.assert_close(model.lens(trace.hidden_states[-1]), trace.logits, rtol=0, atol=0)


def test_nothing_later_is_read(model):
    changed = IDS.clone()
    changed[:, 6:] = 10
    before, after = model(IDS), model(changed)
    torch.testing.assert_close(before[:, :6], after[:, :6], **CLOSE)
    assert not torch.allclose(before[:, 6:], after[:, 6:])


@pytest.mark.parametrize("pieces", [[1] * 9, [4, 1, 1, 1, 1, 1], [3, 4, 2]], ids=str)
@pytest.mark.parametrize("reserved", [True, False])
def test_stepping_with_a_cache_equals_recomputing(model, pieces, reserved):
    cache = model.new_cache(2, 9) if reserved else KeyValueCache(3)
    start, whole = 0, model(IDS)
    for size in pieces:
        step = IDS[:, start : start + size]
        expected = model(IDS[:, : start + size])  # dynamic scaling makes earlier logits depend on the length so far
        torch.testing.assert_close(model(step, cache=cache), expected[:, start:], **CLOSE)
        start += size
    assert cache.length == 9
    torch.testing.assert_close(expected, whole, rtol=0, atol=0)


def padded(prompts, side, width):
    ids, real = [], []
    for prompt in prompts:
        filler, n = [0] * (width - len(prompt)), len(prompt)
        ids.append(filler + prompt if side == "left" else prompt + filler)
        real.append([0] * len(filler) + [1] * n if side == "left" else [1] * n + [0] * len(filler))
    return torch.tensor(ids), torch.tensor(real)


@pytest.mark.parametrize("side", ["left", "right"])
def test_prompts_of_different_lengths_in_one_batch_are_read_as_each_alone(model, side):
    prompts = [[3, 1, 4, 1, 5], [9, 2], [6, 5, 3, 5]]
    ids, real = padded(prompts, side, 6)
    cache = model.new_cache(3, 9)
    logits = model.next_logits(ids, attention_mask=real, cache=cache)
    with_new = [list(prompt) for prompt in prompts]
    for new in ([7, 8, 0], [1, 1, 2], [4, 3, 9]):  # the next words, whatever they are
        for row, prompt in enumerate(with_new):
            if model.config.rotary_scaling != "dynamic":  # there the longest text of a batch stretches all of it
                torch.testing.assert_close(logits[row], model.next_logits([prompt])[0], **CLOSE)
            prompt.append(new[row])
        logits = model.next_logits(torch.tensor(new)[:, None], cache=cache)
    ids, real = padded(with_new, side, 9)
    torch.testing.assert_close(logits, model.next_logits(ids, attention_mask=real), **CLOSE)


def test_a_longer_mask_may_also_cover_the_cached_tokens(model):
    ids, real = padded([[3, 1, 4], [9, 2]], "left", 4)
    caches = [model.new_cache(2, 6), model.new_cache(2, 6)]
    for cache in caches:
        model(ids, attention_mask=real, cache=cache)
    new = torch.tensor([[5], [6]])
    whole_mask = torch.cat([real, torch.ones(2, 1)], dim=1)
    remembered = model(new, cache=caches[0])
    torch.testing.assert_close(model(new, attention_mask=whole_mask, cache=caches[1]), remembered, rtol=0, atol=0)


@pytest.mark.parametrize("rows", [[1, 1], [1, 0, 0]])
def test_a_cache_can_be_reordered_and_shortened(model, rows):
    ids, real = padded([[3, 1, 4, 1, 5], [9, 2, 6]], "left", 6)
    cache = model.new_cache(2, 8)
    model(ids, attention_mask=real, cache=cache)
    cache.truncate(4)
    cache.reorder(rows)
    ours = model(ids[rows][:, 4:], attention_mask=real[rows][:, 4:], cache=cache)
    expected = model(ids[rows], attention_mask=real[rows])[:, 4:]
    torch.testing.assert_close(ours, expected, **CLOSE)
    assert cache.length == 6


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 10), min_size=1, max_size=7), min_size=1, max_size=4), st.sampled_from(POSITIONS)
)
def test_any_batch_of_prompts_gives_what_each_gives_alone(prompts, positions):
    model = CausalLM(ModelConfig(**(SMALL | STYLES["gpt2"] | {"positions": positions}))).eval()
    ids, real = padded(prompts, "left", max(map(len, prompts)))
    alone = torch.cat([model.next_logits([prompt]) for prompt in prompts])
    torch.testing.assert_close(model.next_logits(ids, attention_mask=real), alone, **CLOSE)


# --- encoders, decoders, and both ----------------------------------------------------------------------------------


@pytest.mark.parametrize("norm_first", [False, True])
def test_encoder_decoder_equals_torchs_stacks(norm_first):
    """Torch's own layers in a row, with our weights copied in, through nn.Transformer's two halves."""
    config = ModelConfig(**SMALL, norm_first=norm_first, activation="relu", positions="none")
    ours = EncoderDecoder(config, seed=3).eval()
    options = {"batch_first": True, "norm_first": norm_first, "activation": "relu", "dropout": 0.0}
    encoder = [nn.TransformerEncoderLayer(16, 4, 12, **options).eval() for _ in range(3)]
    decoder = [nn.TransformerDecoderLayer(16, 4, 12, **options).eval() for _ in range(3)]
    for mine, theirs in (*zip(ours.encoder.layers, encoder), *zip(ours.decoder.layers, decoder)):
        mine.load_state_dict(type(mine).from_torch(theirs).state_dict())
    source, target = IDS[:, :7], IDS[:, 2:]
    memory = ours.encoder.token_embedding(source)
    for layer in encoder:
        memory = layer(memory)
    memory = ours.encoder.normalise(memory)
    hidden = ours.decoder.token_embedding(target)
    for layer in decoder:
        hidden = layer(hidden, memory, tgt_mask=~causal_mask(7))
    theirs = ours.decoder.normalise(hidden) @ ours.decoder.token_embedding.weight.T
    torch.testing.assert_close(ours(source, target), theirs, **CLOSE)


@pytest.mark.parametrize("config", CONFIGS, ids=name)
def test_encoder_decoder_reads_only_real_tokens_and_traces_what_it_runs(config):
    model = EncoderDecoder(config, seed=2).eval()
    source, real = [[1, 2, 3, 4, 0], [5, 6, 7, 8, 9]], [[1, 1, 1, 1, 0], [1] * 5]
    target = [[1, 2, 3], [4, 5, 6]]
    logits = model(source, target, source_mask=real)
    trace = model.trace(source, target, source_mask=real)
    torch.testing.assert_close(trace.logits, logits, **CLOSE)
    assert len(trace.decoder.cross_layers) == 3
    assert trace.decoder.cross_layers[0].weights[0, :, :, 4].eq(0).all()
    if config.rotary_scaling != "dynamic":  # the length of the padded text stretches it
        torch.testing.assert_close(logits[:1], model([source[0][:4]], target[:1]), **CLOSE)
    step = model.reading(source, real).next_logits(target)
    torch.testing.assert_close(step, logits[:, -1], **CLOSE)
    several = model.reading([source[1]]).next_logits([target[1], target[1]])
    torch.testing.assert_close(several[1], logits[1, -1], **CLOSE)


@pytest.mark.parametrize("config", CONFIGS, ids=name)
def test_encoder_trace_equals_forward_with_any_positions(config):
    encoder, real = Encoder(config).eval(), [[1, 1, 1, 1], [1, 1, 1, 0]]
    trace = encoder.trace(IDS[:, :4], real)
    torch.testing.assert_close(trace.output, encoder(IDS[:, :4], real), **CLOSE)
    assert [block.attention for block in trace.blocks] == trace.layers


@pytest.mark.parametrize("positions", POSITIONS)
def test_only_positions_tell_an_encoder_the_order(positions):
    encoder = Encoder(ModelConfig(**SMALL, positions=positions)).eval()
    order = [2, 0, 3, 1]
    plain, shuffled = encoder(IDS[:, :4]), encoder(IDS[:, :4][:, order])
    assert torch.allclose(plain[:, order], shuffled, atol=1e-5) == (positions == "none")


# --- starting weights ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [Encoder, Decoder, CausalLM, EncoderDecoder])
def test_the_same_seed_gives_the_same_model_and_torchs_random_state_is_left_alone(make):
    config, before = ModelConfig(**SMALL, tie_embeddings=False), torch.get_rng_state()
    first, again, other = make(config, seed=1), make(config, seed=1), make(config, seed=2)
    assert torch.equal(before, torch.get_rng_state())
    for mine, same, different in zip(first.parameters(), again.parameters(), other.parameters(), strict=True):
        assert torch.equal(mine, same)
        assert mine.isfinite().all()
        if mine.dim() == 2:
            assert not torch.equal(mine, different)
    with pytest.raises(ValueError, match=r"seed must be a whole number of 0 or more, or a torch\.Generator, got -1"):
        make(config, seed=-1)


def test_an_untrained_model_guesses():
    config = ModelConfig(500, d_model=64, n_heads=4, n_layers=4, d_ff=256, max_len=32, norm_first=True)
    ids = torch.randint(500, (4, 32), generator=torch.Generator().manual_seed(0))
    loss = nn.functional.cross_entropy(CausalLM(config)(ids).flatten(0, 1), ids.roll(-1, 1).flatten())
    assert abs(loss.item() - torch.tensor(500.0).log().item()) < 1  # ln(500) plus half the logits' variance of near 1


def test_scaled_embeddings_are_those_of_the_paper():
    sizes = SMALL | {"positions": "sinusoidal", "tie_embeddings": False}
    plain, scaled = (CausalLM(ModelConfig(**sizes, scale_embeddings=scale)).eval() for scale in (False, True))
    with torch.no_grad():
        plain.decoder.token_embedding.weight.mul_(4)  # sqrt(d_model)
    torch.testing.assert_close(scaled(IDS), plain(IDS), **CLOSE)


def test_tied_embeddings_are_one_matrix():
    tied, apart = (EncoderDecoder(ModelConfig(**SMALL, tie_embeddings=tie)) for tie in (True, False))
    assert tied.encoder.token_embedding.weight is tied.decoder.token_embedding.weight
    assert apart.encoder.token_embedding.weight is not apart.decoder.token_embedding.weight
    assert tied.lm_head is None
    assert apart.lm_head is not None
    loss = tied(IDS, IDS).square().mean()
    loss.backward()
    assert all(parameter.grad is not None for parameter in tied.parameters())


# --- wrong input ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"positions": "rotary", "d_model": 12, "n_heads": 4}, "must be even for rotary positions"),
        ({"positions": "rotary", "d_model": 8, "rotary_scaling": "dynamic"}, "must be 4 or more for dynamic"),
        ({"rotary_scaling": "llama3"}, "rotary_scaling must be one of linear, dynamic, yarn, got 'llama3'"),
        ({"rotary_factor": 0.5}, "rotary_factor must be a number of 1 or more"),
        ({"rotary_base": 1.0}, "rotary_base must be a finite number above 1"),
        ({"rotary_original_max_len": 0}, "rotary_original_max_len must be"),
        ({"norm_first": "yes"}, "norm_first must be True or False, got 'yes'"),
        ({"embedding_norm": "no"}, "embedding_norm must be True, False or None"),
        ({"n_heads": 10_000}, "n_heads must divide d_model = 16 without a remainder, got 10000"),
        ({"n_layers": 0}, "n_layers must be a whole number of 1 or more, got 0"),
    ],
)
def test_a_wrong_config_is_refused_in_a_sentence(change, says):
    with pytest.raises(ValueError, match=says):
        ModelConfig(**(SMALL | change))


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda m: m([[1] * 13]), "at most max_len = 12 tokens a text, got 13"),
        (lambda m: m([[1], [2, 3]]), "ids must be numbers in rows of one length"),
        (lambda m: m([[11]]), "ids must lie between 0 and 10, got 11"),
        (lambda m: m([[1, 2]], attention_mask=[[1]]), r"attention_mask must have the shape of ids \(1, 2\), got"),
        (lambda m: m([[1, 2]], attention_mask=[[0.0, -1e9]]), "attention_mask must hold 1 or True .* got -1000000000"),
        (lambda m: m.next_logits([[1, 2]], attention_mask=[[0, 0]]), "at least one real token"),
        (lambda m: m([[1]], muted_heads=[(3, 0)]), r"muted_heads must be pairs .* got \(3, 0\)"),
        (lambda m: m([[1, 2, 3]], cache=m.new_cache(1, 2)), "room for 3 tokens, but it was made for max_len = 2"),
        (lambda m: m([[1]], cache=m.new_cache(2, 2)), "ids must have the cache's batch of 2, got 1"),
        (lambda m: m([[1]], cache=KeyValueCache(2)), "cache must have 3 layers as the model does, got 2"),
        (lambda m: m.new_cache(0, 2), "batch must be a whole number of 1 or more, got 0"),
        (lambda m: m.new_cache(1, 2.5), "max_len must be a whole number"),
        (lambda m: m.new_cache(10**6, 10**9), "batch and max_len must fit the memory of cpu.* need 3.84e.08 GB"),
        (lambda m: m.decoder([[1]], torch.zeros(1, 2, 16)), "memory must be None"),
        (lambda m: m.decoder([[1]], memory_mask=[[1]]), "memory_mask must be None without a memory"),
        (lambda m: Decoder(m.config)([[1]], torch.zeros(1, 2, 16), memory_mask=[[1]]), "memory_mask must have"),
        (lambda m: CausalLM(ModelConfig(**SMALL, n_token_types=2)), "n_token_types must be 0 in a decoder, got 2"),
    ],
)
def test_wrong_inputs_are_refused_in_a_sentence(call, says):
    with pytest.raises(ValueError, match=says):
        call(CausalLM(ModelConfig(**SMALL)))


def test_padding_does_not_use_up_learned_positions():
    model = CausalLM(ModelConfig(**SMALL)).eval()
    ids, real = padded([[1] * 12], "left", 15)
    torch.testing.assert_close(model.next_logits(ids, attention_mask=real), model.next_logits([[1] * 12]), **CLOSE)


def test_a_refused_call_leaves_the_cache_as_it_was():
    model = CausalLM(ModelConfig(**SMALL)).eval()
    cache = model.new_cache(1, 4)
    model([[1, 2, 3]], cache=cache)
    for wrong in ([[1, 2]], [[1], [2]], [[99]]):
        with pytest.raises(ValueError, match=r"cache|ids"):
            model(wrong, cache=cache)
    assert cache.length == 3
    torch.testing.assert_close(model([[4]], cache=cache), model([[1, 2, 3, 4]])[:, -1:], **CLOSE)
