"""Speculative decoding writes what the large model alone would write, however good or bad the draft is."""

import itertools
import math
from collections import Counter

import pytest
import torch

from engine.decoding import Filters, greedy, sample, speculative, speculative_rounds
from engine.model_config import ModelConfig
from tests.engine.decoding_models import Table, random_causal, random_llama

SEQUENCES = 700
FILTERS = [{}, {"temperature": 0.6}, {"top_k": 2}, {"top_p": 0.8}, {"min_p": 0.3}, {"typical": 0.7, "temperature": 1.5}]
MODEL, DRAFT = Table.random(3, seed=1), Table.random(3, seed=2)


def filtered(model: Table, filters: dict) -> torch.Tensor:
    """What is left of each row of a table, (vocab_size, vocab_size)."""
    rows = [Filters(**filters).apply(row[None], [[]], [[]])[0].softmax(dim=-1) for row in model.logits]
    return torch.stack(rows)


def exact(model: Table, filters: dict, length: int, start: int = 0, eos_id: int | None = None) -> dict[tuple, float]:
    """The probability of every text of `length` tokens, or of fewer that end in eos_id."""
    table, found = filtered(model, filters).tolist(), {}
    for n in range(1, length + 1):
        for text in itertools.product(range(len(table)), repeat=n):
            if eos_id in text[:-1] or (n < length and text[-1] != eos_id):
                continue
            steps = zip((start, *text), text)
            found[text] = math.prod(table[last][token] for last, token in steps)
    assert sum(found.values()) == pytest.approx(1)
    return found


def surprise(counts: Counter, expected: dict[tuple, float], n: int) -> float:
    """How many standard errors the chi-square statistic of the counts lies above what chance gives.

    Texts of fewer than eight expected counts are one class together: a chi-square needs that many.
    """
    assert all(expected.get(text, 0) > 0 for text in counts), "a text that cannot be was written"
    common = {text: chance for text, chance in expected.items() if chance * n >= 8}
    pairs = [(counts[text], chance * n) for text, chance in common.items()]
    rest = n - sum(wanted for _, wanted in pairs)
    if rest >= 8:
        pairs.append((n - sum(counted for counted, _ in pairs), rest))
    freedom = len(pairs) - 1
    statistic = sum((counted - wanted) ** 2 / wanted for counted, wanted in pairs)
    return (statistic - freedom) / math.sqrt(2 * freedom) if freedom else 0.0


def written(n: int, model, draft, **settings) -> Counter:
    generator = torch.Generator().manual_seed(5)
    texts = (speculative(model, draft, [0], seed=generator, **settings) for _ in range(n))
    return Counter(tuple(text.ids) for text in texts)


@pytest.mark.parametrize("filters", FILTERS, ids=str)
@pytest.mark.parametrize("n_draft", [1, 3])
def test_whole_texts_come_as_often_as_the_large_model_alone_would_write_them(n_draft, filters):
    counts = written(SEQUENCES, MODEL, DRAFT, max_new_tokens=3, n_draft=n_draft, **filters)
    assert surprise(counts, exact(MODEL, filters, 3), SEQUENCES) < 4


@pytest.mark.parametrize("filters", FILTERS, ids=str)
def test_the_two_tables_differ_so_much_that_a_text_of_the_draft_would_be_noticed(filters):
    ours, drafts = exact(MODEL, filters, 3), exact(DRAFT, filters, 3)
    assert sum(abs(ours[text] - drafts[text]) for text in ours) / 2 > 0.3


@pytest.mark.parametrize("n_draft", [1, 2, 4])
def test_every_first_token_is_within_four_standard_errors_of_plain_sampling(n_draft):
    wide, small = Table.random(8, seed=3), Table.random(8, seed=4)
    settings = {"max_new_tokens": n_draft + 1, "temperature": 1.2}
    ours = Counter(text[0] for text in written(SEQUENCES, wide, small, n_draft=n_draft, **settings).elements())
    plain = sample(wide, [0], seed=9, num_return=SEQUENCES, max_new_tokens=1, temperature=1.2)
    theirs = Counter(text.ids[0] for text in plain)
    chances = filtered(wide, {"temperature": 1.2})[0].tolist()
    for token, chance in enumerate(chances):
        error = math.sqrt(SEQUENCES * chance * (1 - chance))
        assert abs(ours[token] - SEQUENCES * chance) <= 4 * error
        assert abs(ours[token] - theirs[token]) <= 4 * math.sqrt(2) * error


def test_texts_that_end_early_come_as_often_as_they_should():
    counts = written(SEQUENCES, MODEL, DRAFT, max_new_tokens=4, n_draft=3, eos_id=2)
    assert surprise(counts, exact(MODEL, {}, 4, eos_id=2), SEQUENCES) < 4
    assert any(len(text) < 4 for text in counts)


def test_a_terrible_draft_only_costs_time():
    model = Table.always([0.5, 0.5, 0.0, 0.0])
    draft = Table.always([1e-4, 1e-4, 0.4999, 0.4999])
    counts = written(SEQUENCES, model, draft, max_new_tokens=3, n_draft=2)
    assert surprise(counts, exact(model, {}, 3), SEQUENCES) < 4
    text = speculative(model, draft, [0], max_new_tokens=40, seed=0)
    assert text.acceptance < 0.05
    assert text.tokens_per_reading < 1.1


def test_a_draft_without_the_large_model_s_tokens_is_always_corrected():
    text = speculative(Table.always([1.0, 0.0]), Table.always([0.0, 1.0]), [0], max_new_tokens=5, n_draft=3, seed=0)
    assert text.ids == [0] * 5
    assert all(one.chances == (0.0,) and one.n_accepted == 0 for one in text.rounds[:-1])
    assert text.rounds[-1].proposed == (), "the last token needs no draft"


def test_a_model_that_drafts_for_itself_is_always_accepted():
    text = speculative(MODEL, MODEL, [0], max_new_tokens=20, n_draft=4, seed=3)
    assert text.acceptance == 1
    assert text.tokens_per_reading == 5
    assert all(chance == 1 for one in text.rounds for chance in one.chances)


def test_the_share_that_is_accepted_is_the_overlap_of_both_distributions():
    """Leviathan et al. 2023, theorem 3.5 and corollary 3.6: the acceptance is the sum of min(p, q)."""
    p, q = [0.5, 0.3, 0.2, 0.0], [0.1, 0.3, 0.4, 0.2]
    text = speculative(Table.always(p), Table.always(q), [0], max_new_tokens=3000, n_draft=2, seed=0)
    overlap = sum(map(min, p, q))
    checked = sum(len(one.chances) for one in text.rounds)
    assert abs(text.acceptance - overlap) < 4 * math.sqrt(overlap * (1 - overlap) / checked)
    expected = (1 - overlap**3) / (1 - overlap)  # their equation 1
    assert text.tokens_per_reading == pytest.approx(expected, abs=0.1)


@pytest.mark.parametrize("reading", ["lean", "cached", "whole"])
@pytest.mark.parametrize("n_draft", [1, 2, 3, 6])
def test_at_temperature_0_it_writes_what_greedy_writes(n_draft, reading):
    sizes = {"vocab_size": 23, "n_heads": 2, "n_layers": 2, "max_len": 64, "positions": "rotary", "norm": "rmsnorm"}
    rest = {"norm_first": True, "activation": "swiglu"}
    model = random_causal(ModelConfig(d_model=16, d_ff=24, **sizes, **rest), seed=1)
    draft = random_causal(ModelConfig(d_model=8, d_ff=12, **sizes, **rest), seed=2)
    settings = {"max_new_tokens": 21, "reading": reading}
    ours = speculative(model, draft, [1, 2, 3], temperature=0, n_draft=n_draft, **settings)
    assert ours.ids == greedy(model, [1, 2, 3], **settings).ids


@torch.no_grad()
def test_transformers_with_an_assistant_writes_the_same_and_its_large_model_gives_the_same_log_prob(tmp_path):
    from tests.engine.decoding_models import opened

    theirs, assistant = random_llama(31, seed=1), random_llama(31, seed=2)
    model, draft = opened(theirs, tmp_path / "large"), opened(assistant, tmp_path / "small")
    ours = speculative(model, draft, [4, 5, 6], max_new_tokens=20, temperature=0)
    ids = torch.tensor([[4, 5, 6]])
    settings = {"do_sample": False, "max_new_tokens": 20, "pad_token_id": 0, "eos_token_id": None}
    found = theirs.generate(ids, attention_mask=torch.ones_like(ids), assistant_model=assistant, **settings)
    assert ours.ids == found[0, 3:].tolist()
    drawn = speculative(model, draft, [4, 5, 6], max_new_tokens=20, seed=1, top_p=0.9)
    whole = torch.tensor([[4, 5, 6, *drawn.ids]])
    log_probs = theirs(whole).logits.log_softmax(dim=-1)[0, 2:-1]  # (20, vocab_size)
    direct = log_probs[torch.arange(20), torch.tensor(drawn.ids)].sum().item()
    assert drawn.log_prob == pytest.approx(direct, abs=1e-3)  # float32 over 20 tokens, cached against whole
    assert drawn.score == pytest.approx(drawn.log_prob / 20)


def test_a_draft_stops_at_its_end_token_and_the_text_ends_there():
    chain = torch.full((5, 5), -torch.inf)
    for token in range(5):
        chain[token, (token + 1) % 5] = 0.0
    text = speculative(Table(chain), Table(chain), [0], max_new_tokens=20, n_draft=6, seed=0, eos_id=3)
    assert text.ids == [1, 2, 3]
    assert text.finished
    (only,) = text.rounds
    assert only.proposed == only.new_ids == (1, 2, 3)
    assert (only.n_accepted, only.token_id) == (3, None)
    assert text.acceptance == 1


@pytest.mark.parametrize("stop", ["cd", ["zz", "d"]])
def test_a_stop_string_inside_a_draft_ends_the_text(stop):
    chain = torch.full((5, 5), -torch.inf)
    for token in range(5):
        chain[token, (token + 1) % 5] = 0.0
    decode = lambda ids: "".join("abcde"[one] for one in ids)  # noqa: E731
    settings = {"max_new_tokens": 20, "n_draft": 4, "stop": stop, "decode": decode}
    text = speculative(Table(chain), Table(chain), [0], **settings)
    assert decode(text.ids) == "bcd"
    assert text.finished
    assert text.ids == greedy(Table(chain), [0], max_new_tokens=20, stop=stop, decode=decode).ids


@pytest.mark.parametrize("n_draft", [1, 3, 7])
@pytest.mark.parametrize("n", [1, 2, 7, 8])
def test_it_writes_exactly_as_many_tokens_as_it_may(n, n_draft):
    text = speculative(MODEL, DRAFT, [0], max_new_tokens=n, n_draft=n_draft, seed=2)
    assert len(text.ids) == n
    assert not text.finished


@pytest.mark.parametrize("seed", range(6))
def test_the_rounds_tell_what_was_written(seed):
    settings = {"max_new_tokens": 25, "n_draft": 3, "seed": seed, "eos_id": 2, "temperature": 0.8}
    text = speculative(MODEL, DRAFT, [0], **settings)
    assert tuple(speculative_rounds(MODEL, DRAFT, [0], **settings)) == text.rounds
    assert [token for one in text.rounds for token in one.new_ids] == text.ids
    for one in text.rounds:
        assert len(one.proposed) <= 3
        assert one.new_ids[: one.n_accepted] == one.proposed[: one.n_accepted]
        assert len(one.chances) == min(one.n_accepted + 1, len(one.proposed))
        assert all(0 <= chance <= 1 for chance in one.chances)
        assert one.new_ids == (*one.proposed[: one.n_accepted], *(() if one.token_id is None else (one.token_id,)))
        if one.n_accepted < len(one.proposed):
            assert one.token_id is not None
            assert one.chances[-1] < 1
    assert text.acceptance == pytest.approx(
        sum(one.n_accepted for one in text.rounds) / sum(len(one.chances) for one in text.rounds)
    )


class Counting:
    """Counts how often a model is asked, and about how many tokens it is asked at a time."""

    def __init__(self, reader, asked: list[int]) -> None:
        self.reader, self.asked = reader, asked

    def __getattr__(self, name):
        return getattr(self.reader, name)

    def advance(self, tokens, rows):
        self.asked.append(len(tokens))
        return self.reader.advance(tokens, rows)

    def extend(self, tokens):
        self.asked.append(len(tokens))
        return self.reader.extend(tokens)


def test_the_large_model_is_read_once_a_round(monkeypatch):
    from engine.decoding import speculative as module_function
    from engine.decoding.reading import open_reader

    module = __import__(module_function.__module__, fromlist=["open_reader"])
    asked: dict[int, list[int]] = {}
    monkeypatch.setattr(
        module,
        "open_reader",
        lambda model, max_len, *, reading: Counting(
            open_reader(model, max_len, reading=reading), asked.setdefault(id(model), [])
        ),
    )
    text = speculative(MODEL, DRAFT, [0], max_new_tokens=40, n_draft=3, seed=1)
    # The first round finds the large model's opinion after the prompt already there; the last has no draft to check.
    assert len(asked[id(MODEL)]) in (len(text.rounds) - 1, len(text.rounds))
    assert max(asked[id(MODEL)]) <= 4


def test_the_same_seed_writes_the_same_and_a_generator_moves_on():
    settings = {"max_new_tokens": 30, "n_draft": 2}
    assert speculative(MODEL, DRAFT, [0], seed=4, **settings) == speculative(MODEL, DRAFT, [0], seed=4, **settings)
    generator = torch.Generator().manual_seed(0)
    first, second = (speculative(MODEL, DRAFT, [0], seed=generator, **settings).ids for _ in range(2))
    assert first != second


def causal(vocab_size: int):
    return random_causal(ModelConfig(vocab_size, d_model=8, n_heads=2, n_layers=1, d_ff=8, max_len=32))


@pytest.mark.parametrize("prompt", [[0], [6]])
@pytest.mark.parametrize(
    "models", [(Table.random(4, 0), Table.random(3, 0)), (causal(7), causal(5))], ids=["table", "causal"]
)
def test_vocabularies_that_differ_are_refused(models, prompt):
    large, small = models
    if isinstance(large, Table) and prompt == [6]:
        pytest.skip("a table does not say how many tokens it knows")
    with pytest.raises(ValueError, match=r"draft must have the model's vocabulary of \d tokens, got \d"):
        speculative(large, small, prompt, max_new_tokens=3)


@pytest.mark.parametrize("n_draft", [0, -1, 1.5, True, None])
def test_an_impossible_draft_length_is_refused(n_draft):
    with pytest.raises(ValueError, match="n_draft must be a whole number of 1 or more"):
        speculative(MODEL, DRAFT, [0], max_new_tokens=3, n_draft=n_draft)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"temperature": -1}, "temperature"),
        ({"top_p": 2}, "top_p"),
        ({"stop": "x"}, "decode"),
        ({"eos_id": -1}, "eos_id"),
    ],
)
def test_other_impossible_settings_are_refused_before_anything_is_read(wrong, sentence):
    for write in (speculative, speculative_rounds):
        with pytest.raises(ValueError, match=sentence):
            write(MODEL, DRAFT, [0], max_new_tokens=3, **wrong)


def test_a_setting_that_it_does_not_have_is_not_ignored():
    with pytest.raises(TypeError, match="repetition_penalty"):
        speculative_rounds(MODEL, DRAFT, [0], max_new_tokens=3, repetition_penalty=1.5)
