"""Where a text begins and ends: prompts that do not fit, end tokens, stop strings, and the number of new tokens."""

import pytest
import torch

from engine.decoding import beam_search, cut_at_stop, fit_prompt, greedy, greedy_steps, sample
from engine.model_config import ModelConfig
from tests.engine.decoding_models import Spy, Table, random_causal

CONFIG = {"vocab_size": 20, "d_model": 8, "n_heads": 2, "n_layers": 1, "d_ff": 16, "max_len": 12, "norm_first": True}


class Alphabet:
    """Always the letter after the last one, from a to j and round again."""

    def next_logits(self, ids):
        return 20 * torch.nn.functional.one_hot((ids[:, -1] + 1) % 10, 10).float()


def read(ids):
    return "".join("abcdefghij"[one] for one in ids)


def beam(model, prompt, **settings):
    return beam_search(model, prompt, num_beams=2, **settings)[0]


EVERY = pytest.mark.parametrize("decoding", [greedy, sample, beam], ids=["greedy", "sample", "beam"])


@EVERY
@pytest.mark.parametrize(
    ("stop", "written"),
    [
        ("d", "bcd"),
        ("cde", "bcde"),  # completed across three tokens
        (["zz", "fg", "hi"], "bcdefg"),
        ("ab", "bcdefghijab"),
        ("abcx", "bcdefghijabc"),  # never comes
        ((), "bcdefghijabc"),
        ([], "bcdefghijabc"),
    ],
    ids=str,
)
def test_a_text_ends_with_the_token_that_completes_a_stop_string(decoding, stop, written):
    text = decoding(Alphabet(), [0], max_new_tokens=12, stop=stop, decode=read)
    assert read(text.ids) == written
    assert text.finished == (len(written) < 12)


@EVERY
def test_a_stop_string_in_the_prompt_or_half_in_it_does_not_count(decoding):
    text = decoding(Alphabet(), [0, 1, 2], max_new_tokens=6, stop=["abc", "cd"], decode=read)
    assert read(text.ids) == "defghi"
    assert not text.finished


def test_a_stop_string_inside_a_token_ends_the_text_after_that_token():
    text = greedy(Alphabet(), [0], max_new_tokens=6, stop="y", decode=lambda ids: "xyz" * len(ids))
    assert text.ids == [1]
    assert text.finished


@EVERY
def test_a_stop_string_without_decode_or_an_empty_one_is_refused(decoding):
    with pytest.raises(ValueError, match=r"^decode must"):
        decoding(Alphabet(), [0], max_new_tokens=3, stop="d")
    for stop in ("", ["d", ""], [3]):
        with pytest.raises(ValueError, match=r"^stop must"):
            decoding(Alphabet(), [0], max_new_tokens=3, stop=stop, decode=read)


def test_cut_at_stop_cuts_before_the_first_stop_string_in_the_text():
    assert cut_at_stop("one. two! three.", [".", "!"]) == "one"
    assert cut_at_stop("one", ["two"]) == "one" == cut_at_stop("one", ())


@EVERY
@pytest.mark.parametrize(("eos", "written"), [(4, "bcde"), ({7, 3}, "bcd"), ((9,), "bcdefghij"), ([], "bcdefghijabc")])
def test_a_text_ends_with_its_first_end_token_which_it_holds(decoding, eos, written):
    text = decoding(Alphabet(), [0], max_new_tokens=12, eos_id=eos)
    assert read(text.ids) == written
    assert text.finished == (len(written) < 12)


@EVERY
def test_an_end_token_in_the_prompt_or_outside_the_vocabulary_ends_nothing(decoding):
    text = decoding(Alphabet(), [4, 0], max_new_tokens=3, eos_id=[4, 700])
    assert read(text.ids) == "bcd"
    assert not text.finished


@EVERY
def test_the_last_token_may_be_the_end_token(decoding):
    text = decoding(Alphabet(), [0], max_new_tokens=4, eos_id=4)
    assert read(text.ids) == "bcde"
    assert text.finished


@EVERY
@pytest.mark.parametrize("eos", [-1, True, 1.5, "x", [None]], ids=str)
def test_an_end_token_that_is_no_token_is_refused(decoding, eos):
    with pytest.raises(ValueError, match=r"^eos_id must"):
        decoding(Alphabet(), [0], max_new_tokens=3, eos_id=eos)


@EVERY
@pytest.mark.parametrize("count", [0, -1, 2.0, True, None])
def test_max_new_tokens_must_be_a_whole_number_of_one_or_more(decoding, count):
    with pytest.raises(ValueError, match=r"^max_new_tokens must"):
        decoding(Alphabet(), [0], max_new_tokens=count)


@EVERY
@pytest.mark.parametrize("prompt", [[], torch.tensor([], dtype=torch.long), [-1], [0.5], "ab", [True]], ids=str)
def test_a_prompt_that_is_empty_or_holds_no_tokens_is_refused(decoding, prompt):
    with pytest.raises(ValueError, match=r"^prompt_ids must"):
        decoding(Alphabet(), prompt, max_new_tokens=3)


@EVERY
def test_a_prompt_may_be_a_list_a_tuple_or_a_tensor_and_is_left_alone(decoding):
    prompt = [0, 3]
    texts = [decoding(Alphabet(), one, max_new_tokens=3).ids for one in (prompt, (0, 3), torch.tensor([[0, 3]]))]
    assert texts == [[4, 5, 6]] * 3
    assert prompt == [0, 3]


@EVERY
def test_a_prompt_of_several_texts_is_refused(decoding):
    with pytest.raises(ValueError, match=r"^prompt_ids must"):
        decoding(Alphabet(), torch.tensor([[0, 3], [1, 2]]), max_new_tokens=3)


@EVERY
@pytest.mark.parametrize("reading", ["lean", "cached", "whole"])
def test_learned_positions_end_and_a_text_that_would_go_past_them_is_refused_before_it_is_begun(decoding, reading):
    model = random_causal(ModelConfig(**CONFIG, activation="gelu_tanh"))
    assert len(decoding(model, [1] * 5, max_new_tokens=7, reading=reading).ids) == 7
    with pytest.raises(ValueError, match=r"12 positions"):
        decoding(model, [1] * 5, max_new_tokens=8, reading=reading)


@EVERY
@pytest.mark.parametrize("reading", ["lean", "cached", "whole"])
def test_turned_positions_do_not_end(decoding, reading):
    model = random_causal(ModelConfig(**CONFIG, activation="relu", positions="rotary"))
    assert len(decoding(model, [1] * 5, max_new_tokens=20, reading=reading).ids) == 20


@EVERY
def test_a_token_that_the_model_does_not_have_is_refused(decoding):
    model = random_causal(ModelConfig(**CONFIG, activation="relu"))
    with pytest.raises(ValueError, match=r"^prompt_ids must .* below 20, got 20"):
        decoding(model, [1, 20], max_new_tokens=2)


@EVERY
def test_anything_with_next_logits_can_write_and_nothing_else(decoding):
    class Bare:
        """Half precision, and gradients that nobody asked for."""

        weight = torch.nn.Parameter(torch.tensor([0.0, 3.0, 1.0], dtype=torch.bfloat16))

        def next_logits(self, ids):
            return self.weight.expand(len(ids), -1) * 2

    text = decoding(Bare(), [0], max_new_tokens=4, reading="auto")
    assert len(text.ids) == 4
    assert isinstance(text.log_prob, float)
    with pytest.raises(ValueError, match=r"^model must have next_logits"):
        decoding(object(), [0], max_new_tokens=4)
    for reading in ("lean", "cached", "quick"):
        with pytest.raises(ValueError, match=r"^reading must"):
            decoding(Bare(), [0], max_new_tokens=4, reading=reading)


@pytest.mark.parametrize("num_return", [0, -2, 1.0, True, None])
def test_num_return_must_be_a_whole_number_of_one_or_more(num_return):
    with pytest.raises(ValueError, match=r"^num_return must"):
        sample(Alphabet(), [0], max_new_tokens=2, num_return=num_return)


@pytest.mark.parametrize("seed", ["a", 1.5, [1]])
def test_a_seed_must_be_a_whole_number_or_a_generator(seed):
    with pytest.raises(ValueError, match=r"^seed must"):
        sample(Alphabet(), [0], max_new_tokens=2, seed=seed)


def test_a_banned_token_that_the_model_does_not_have_is_refused():
    for decoding in (greedy, sample, beam):
        with pytest.raises(ValueError, match=r"^banned must"):
            decoding(Alphabet(), [0], max_new_tokens=2, banned=[[3, 10]])


def test_where_the_filters_leave_no_token_the_error_says_at_which_step():
    model = Table.always([0.5, 0.5])
    with pytest.raises(ValueError, match=r"none at step 2"):
        greedy(model, [0], max_new_tokens=5, banned=[[0, 0], [1]])
    with pytest.raises(ValueError, match=r"none at step 1"):
        sample(model, [0], max_new_tokens=5, banned=[[0], [1]], seed=1)


def test_impossible_settings_are_refused_before_the_model_is_asked_even_by_the_steps():
    spy = Spy(Alphabet())
    with pytest.raises(ValueError, match=r"^max_new_tokens must"):
        greedy_steps(spy, [0], max_new_tokens=0)
    with pytest.raises(ValueError, match=r"^top_p must"):
        sample(spy, [0], max_new_tokens=2, top_p=3)
    assert spy.asked == []


def test_fit_prompt_keeps_the_last_tokens_and_those_that_must_stay_at_the_start():
    assert fit_prompt([9, 1, 2, 3, 4], 8, keep_free=3) == ([9, 1, 2, 3, 4], 0)
    assert fit_prompt([9, 1, 2, 3, 4], 8, keep_free=5) == ([2, 3, 4], 2)
    assert fit_prompt([9, 1, 2, 3, 4], 8, keep_free=5, always=1) == ([9, 3, 4], 2)
    for keep_free, always in ((8, 0), (9, 0), (7, 1)):
        with pytest.raises(ValueError, match=r"^keep_free must"):
            fit_prompt([9, 1, 2], 8, keep_free=keep_free, always=always)
