"""GPT-2 and Llama checkpoints, saved by transformers and opened here, give the same logits or are refused."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import GPT2Config, GPT2LMHeadModel, GPT2Model, LlamaConfig, LlamaForCausalLM, LlamaModel

from engine.checkpoints import load_causal_lm
from tests.engine.conftest import randomised

CLOSE = {"atol": 2e-4, "rtol": 0}  # what the issue promises of logits; measured: below 1e-5
GPT2 = {"vocab_size": 40, "n_positions": 32, "n_embd": 12, "n_layer": 2, "n_head": 3}
LLAMA = {"vocab_size": 40, "hidden_size": 24, "intermediate_size": 20, "num_hidden_layers": 2}
LLAMA |= {"num_attention_heads": 3, "max_position_embeddings": 16}
IDS = torch.tensor([[2, 7, 30, 4, 3, 9, 11], [0, 0, 0, 2, 9, 3, 8]])
REAL = torch.tensor([[1, 1, 1, 1, 1, 1, 1], [0, 0, 0, 1, 1, 1, 1]])
LONG = torch.randint(40, (2, 30), generator=torch.Generator().manual_seed(4))


def saved_gpt2(path, **settings):
    model = randomised(GPT2LMHeadModel(GPT2Config(**(GPT2 | settings))))
    model.save_pretrained(path)
    return model


def saved_llama(path, **settings):
    model = randomised(LlamaForCausalLM(LlamaConfig(**(LLAMA | settings))))
    model.save_pretrained(path)
    return model


def edit_weights(path, edit):
    file = path / "model.safetensors"
    save_file({name: tensor.clone() for name, tensor in edit(load_file(file)).items()}, file)


def edit_settings(path, **settings):
    config = json.loads((path / "config.json").read_text()) | settings
    (path / "config.json").write_text(json.dumps(config))


@torch.no_grad()
def assert_same_logits(ours, theirs):
    """Padding included: real tokens must agree, what stands at padding is nobody's business."""
    places = (REAL.cumsum(1) - 1).clamp(min=0)  # GPT-2 in transformers does not count them from the mask itself
    expected = theirs(IDS, attention_mask=REAL, position_ids=places).logits
    mine = ours(IDS, attention_mask=REAL)
    torch.testing.assert_close(mine[REAL.bool()], expected[REAL.bool()], **CLOSE)
    torch.testing.assert_close(ours.next_logits(IDS, attention_mask=REAL), expected[:, -1], **CLOSE)
    torch.testing.assert_close(ours(LONG), theirs(LONG).logits, **CLOSE)
    trace = ours.trace(LONG)
    torch.testing.assert_close(trace.logits, theirs(LONG).logits, **CLOSE)
    states = theirs(LONG, output_hidden_states=True).hidden_states
    for layer, state in enumerate(trace.hidden_states[:-1]):
        torch.testing.assert_close(state, states[layer], **CLOSE)
    torch.testing.assert_close(trace.output, states[-1], **CLOSE)  # theirs is after the last norm
    cache = ours.new_cache(2, 30)
    steps = [ours(LONG[:, start:end], cache=cache) for start, end in ((0, 12), (12, 13), (13, 30))]
    # A new stretch a step with dynamic scaling, so only the last piece is of the same length as theirs.
    torch.testing.assert_close(steps[-1], theirs(LONG).logits[:, 13:], **CLOSE)


@pytest.mark.parametrize("activation", ["gelu_new", "gelu", "relu"])
@pytest.mark.parametrize("n_inner", [None, 20])
def test_gpt2_equals_transformers(tmp_path, activation, n_inner):
    theirs = saved_gpt2(tmp_path, activation_function=activation, n_inner=n_inner, layer_norm_epsilon=1e-3)
    assert_same_logits(load_causal_lm(tmp_path), theirs)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"num_key_value_heads": 1},
        {"attention_bias": True, "mlp_bias": True, "rms_norm_eps": 1e-3},
        {"tie_word_embeddings": True, "rope_parameters": {"rope_type": "default", "rope_theta": 500.0}},
        {"rope_parameters": {"rope_type": "linear", "factor": 4.0, "rope_theta": 10000.0}},
        {"rope_parameters": {"rope_type": "dynamic", "factor": 4.0, "rope_theta": 10000.0}},
        {"rope_parameters": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 8}},
        {
            "max_position_embeddings": 8192,
            "rope_parameters": {"rope_type": "yarn", "factor": 16.0, "original_max_position_embeddings": 512},
        },
        {"rope_parameters": {"rope_type": "yarn", "factor": 2.0, "beta_fast": 32.0, "beta_slow": 1.0}},
    ],
    ids=str,
)
def test_llama_equals_transformers(tmp_path, settings):
    settings = json.loads(json.dumps(settings))  # transformers writes into the dictionary it is given
    if "rope_parameters" in settings:
        settings["rope_parameters"].setdefault("rope_theta", 10000.0)
    theirs = saved_llama(tmp_path, **settings)
    assert_same_logits(load_causal_lm(str(tmp_path)), theirs)


@pytest.mark.parametrize("scaling", [None, {"type": "linear", "factor": 2.0}, {"rope_type": "dynamic", "factor": 3.0}])
def test_rope_settings_as_older_files_have_them_open(tmp_path, scaling):
    saved_llama(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    del config["rope_parameters"]
    (tmp_path / "config.json").write_text(json.dumps(config | {"rope_theta": 700.0, "rope_scaling": scaling}))
    assert_same_logits(load_causal_lm(tmp_path), LlamaForCausalLM.from_pretrained(tmp_path).eval())


@pytest.mark.parametrize(("save", "base"), [(saved_gpt2, GPT2Model), (saved_llama, LlamaModel)])
def test_prefix_shards_half_precision_and_old_buffers_do_not_matter(tmp_path, save, base):
    theirs = save(tmp_path / "whole", tie_word_embeddings=True)
    theirs.save_pretrained(tmp_path / "shards", max_shard_size="2KB")
    assert len(list((tmp_path / "shards").glob("*.safetensors"))) > 1
    assert_same_logits(load_causal_lm(tmp_path / "shards"), theirs)
    theirs.base_model.save_pretrained(tmp_path / "bare")
    assert not any(n.startswith(theirs.base_model_prefix) for n in load_file(tmp_path / "bare" / "model.safetensors"))
    assert_same_logits(load_causal_lm(tmp_path / "bare"), theirs)
    buffers = {"transformer.h.0.attn.bias": torch.ones(1), "transformer.h.1.attn.masked_bias": torch.ones(1)}
    if base is LlamaModel:
        buffers = {"model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(4)}
    edit_weights(tmp_path / "whole", lambda weights: weights | buffers)
    assert_same_logits(load_causal_lm(tmp_path / "whole"), theirs)
    edit_weights(tmp_path / "whole", lambda w: {k: v.half() for k, v in w.items()})
    assert {p.dtype for p in load_causal_lm(tmp_path / "whole").parameters()} == {torch.float32}


def test_a_tied_head_that_is_saved_too_must_be_the_same(tmp_path):
    theirs = saved_gpt2(tmp_path)
    edit_weights(tmp_path, lambda w: w | {"lm_head.weight": w["transformer.wte.weight"]})
    assert_same_logits(load_causal_lm(tmp_path), theirs)
    edit_weights(tmp_path, lambda w: w | {"lm_head.weight": w["lm_head.weight"] + 1})
    with pytest.raises(ValueError, match=r"'lm_head\.weight' must equal the token embedding"):
        load_causal_lm(tmp_path)


def test_loading_leaves_torchs_random_numbers_alone_and_is_ready_to_use(tmp_path):
    saved_gpt2(tmp_path)
    before = torch.get_rng_state()
    model = load_causal_lm(tmp_path)
    assert torch.equal(before, torch.get_rng_state())
    assert not model.training
    assert not any(parameter.is_meta for parameter in model.parameters())


@pytest.mark.parametrize(
    ("save", "edit", "says"),
    [
        (
            saved_gpt2,
            lambda w: w | {"transformer.h.0.extra.weight": torch.ones(2)},
            r"'transformer\.h\.0\.extra.*unkn",
        ),
        (saved_gpt2, lambda w: w | {"wte.weight": torch.ones(40, 12)}, "is there twice"),
        (saved_gpt2, lambda w: {k: v for k, v in w.items() if "h.1.attn.c_attn" not in k}, "6 are missing"),
        (saved_gpt2, lambda w: w | {"h.2.ln_1.weight": torch.ones(12)}, "no room for.*layers.2"),
        (
            saved_gpt2,
            lambda w: w | {"transformer.ln_f.weight": torch.ones(13)},
            r"have shape \(12,\).*got \(13,\)",
        ),
        (saved_gpt2, lambda w: w | {"transformer.h.0.attn.c_attn.weight": torch.ones(12, 35)}, "query, key and value"),
        (saved_llama, lambda w: w | {"model.layers.0.self_attn.q_norm.weight": torch.ones(8)}, "q_norm.*is unknown"),
        (saved_llama, lambda w: w | {"model.layers.0.self_attn.q_proj.bias": torch.ones(24)}, "no room for"),
        (saved_llama, lambda w: {k: v for k, v in w.items() if k != "lm_head.weight"}, "1 are missing.*lm_head"),
    ],
)
def test_weights_that_do_not_fit_are_refused_in_a_sentence(tmp_path, save, edit, says):
    save(tmp_path)
    edit_weights(tmp_path, edit)
    with pytest.raises(ValueError, match=says):
        load_causal_lm(tmp_path)


@pytest.mark.parametrize(
    ("save", "settings", "says"),
    [
        (saved_gpt2, {"model_type": "bert"}, "model_type must be one of gpt2, llama.*got 'bert'"),
        (saved_gpt2, {"scale_attn_by_inverse_layer_idx": True}, "scale_attn_by_inverse_layer_idx must be False"),
        (saved_gpt2, {"scale_attn_weights": False}, "scale_attn_weights must be True"),
        (saved_gpt2, {"add_cross_attention": True}, "add_cross_attention must be False"),
        (saved_gpt2, {"activation_function": "silu"}, "activation_function must be one of .*got 'silu'"),
        (saved_gpt2, {"quantization_config": {"bits": 4}}, "quantization_config must be None"),
        (saved_gpt2, {"n_head": 5}, "n_heads must divide d_model = 12"),
        (saved_gpt2, {"n_embd": None}, "d_model must be a whole number of 1 or more, got None"),
        (saved_gpt2, {"n_layer": 10**9}, "must hold 1000000000 layers by config.json, but it holds 2"),
        (saved_llama, {"hidden_act": "gelu"}, "hidden_act must be 'silu'"),
        (saved_llama, {"head_dim": 16}, "head_dim must be hidden_size / num_attention_heads = 8 .*got 16"),
        (
            saved_llama,
            {"rope_parameters": {"rope_type": "llama3", "factor": 8.0}},
            "rope_type must be .*'llama3'",
        ),
        (saved_llama, {"rope_parameters": {"rope_type": "yarn", "factor": 2.0, "mscale": 0.7}}, "mscale must be None"),
        (saved_llama, {"rope_parameters": {"rope_type": "linear", "factor": 2.0, "speed": 1}}, r"not hold \['speed'\]"),
        (saved_llama, {"rope_parameters": {"rope_type": "linear"}}, "factor must be a number"),
        (saved_llama, {"partial_rotary_factor": 0.5}, "partial_rotary_factor must be None"),
    ],
)
def test_settings_that_are_not_built_are_refused_in_a_sentence(tmp_path, save, settings, says):
    save(tmp_path)
    edit_settings(tmp_path, **settings)
    with pytest.raises(ValueError, match=says):
        load_causal_lm(tmp_path)


def cached_checkpoints():
    """Whatever GPT-2 or Llama checkpoints of moderate size this machine has in its hub cache."""
    from huggingface_hub import constants, scan_cache_dir

    try:
        repos = scan_cache_dir(constants.HF_HUB_CACHE).repos
    except Exception:  # no cache at all
        return []
    found = []
    for repo in repos:
        for revision in repo.revisions:
            config = revision.snapshot_path / "config.json"
            if repo.size_on_disk < 2e9 and config.is_file() and list(revision.snapshot_path.glob("*.safetensors")):
                kind = json.loads(config.read_text()).get("model_type")
                found += [revision.snapshot_path] if kind in ("gpt2", "llama") else []
    return found


@pytest.mark.skipif(not cached_checkpoints(), reason="no GPT-2 or Llama checkpoint in the local hub cache")
def test_checkpoints_in_the_local_cache_equal_transformers():
    from transformers import AutoModelForCausalLM

    for folder in cached_checkpoints():
        ours, theirs = load_causal_lm(folder), AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        ids = torch.arange(3, 40)[None]
        with torch.no_grad():
            torch.testing.assert_close(ours(ids), theirs(ids).logits, **CLOSE)
