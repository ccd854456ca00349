"""Every filter keeps what transformers' processor keeps, number by number, and says no to what makes no sense."""

import inspect
import math

import pytest
import torch
from transformers.generation import logits_process as theirs

from engine.decoding import Filters, filters

SHAPES = ((1, 1), (1, 2), (2, 3), (3, 50), (4, 700))
SHARES = (0.0, 1e-8, 0.1, 0.5, 0.9, 0.999, 0.9999999)


def scores(kind: str, shape: tuple[int, int], seed: int = 0) -> torch.Tensor:
    """Random logits (batch, vocab_size), as smooth numbers, with ties, or with dropped tokens among them."""
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(*shape, generator=generator)
    if kind == "ties":
        return logits.round()
    if kind == "all equal":
        return torch.full(shape, 0.3)
    if kind == "dropped":
        gone = torch.rand(*shape, generator=generator) < 0.4
        gone[:, 0] = False
        return logits.masked_fill(gone, -torch.inf)
    return logits


KINDS = ("smooth", "ties", "all equal", "dropped")
ALL_SCORES = [pytest.param(scores(kind, shape, 7), id=f"{kind}-{shape}") for kind in KINDS for shape in SHAPES]


@pytest.fixture(params=ALL_SCORES)
def logits(request) -> torch.Tensor:
    return request.param


def unchanged(act, logits: torch.Tensor) -> torch.Tensor:
    """What act makes of logits, which it leaves alone and does not hand back as its own."""
    before = logits.clone()
    after = act(logits)
    assert torch.equal(logits, before)
    assert after is not logits
    assert after.data_ptr() != logits.data_ptr()
    return after


def assert_equal(ours: torch.Tensor, expected: torch.Tensor) -> None:
    """Bit by bit: a filter copies a score or drops it, so there is nothing to round. Equal sets, equal values."""
    assert ours.shape == expected.shape
    assert torch.equal(ours, expected), (ours != expected).nonzero()


@pytest.mark.parametrize("k", [1, 2, 3, 49, 50, 51, 10_000])
def test_top_k_keeps_what_transformers_keeps_ties_and_too_large_a_k_included(logits, k):
    expected = theirs.TopKLogitsWarper(k)(None, logits.clone())
    assert_equal(unchanged(lambda x: filters.top_k(x, k), logits), expected)


@pytest.mark.parametrize("p", SHARES)
def test_top_p_keeps_what_transformers_keeps_and_never_nothing(logits, p):
    expected = theirs.TopPLogitsWarper(p)(None, logits.clone())
    ours = unchanged(lambda x: filters.top_p(x, p), logits)
    assert_equal(ours, expected)
    assert ((ours > -torch.inf).sum(dim=-1) >= 1).all()


@pytest.mark.parametrize("p", SHARES)
def test_min_p_keeps_what_transformers_keeps_and_never_nothing(logits, p):
    expected = theirs.MinPLogitsWarper(p)(None, logits.clone())
    ours = unchanged(lambda x: filters.min_p(x, p), logits)
    assert_equal(ours, expected)
    assert ((ours > -torch.inf).sum(dim=-1) >= 1).all()


@pytest.mark.parametrize("mass", SHARES[1:])
def test_typical_keeps_what_transformers_keeps_and_never_nothing(logits, mass):
    expected = theirs.TypicalLogitsWarper(mass)(None, logits.clone())
    ours = unchanged(lambda x: filters.typical(x, mass), logits)
    assert_equal(ours, expected)
    assert ((ours > -torch.inf).sum(dim=-1) >= 1).all()


@pytest.mark.parametrize("t", [1e-3, 0.1, 0.7, 1.0, 3.0, 1e6])
def test_temperature_divides_as_transformers_does(logits, t):
    assert_equal(
        unchanged(lambda x: filters.temperature(x, t), logits), theirs.TemperatureLogitsWarper(t)(None, logits)
    )


@pytest.mark.parametrize("penalty", [0.1, 0.8, 1.0, 1.3, 50.0])
@pytest.mark.parametrize("length", [1, 2, 9])
def test_the_repetition_penalty_acts_once_on_each_token_seen_as_in_transformers(logits, penalty, length):
    batch, vocab_size = logits.shape
    ids = torch.randint(vocab_size, (batch, length), generator=torch.Generator().manual_seed(length))
    expected = theirs.RepetitionPenaltyLogitsProcessor(penalty)(ids, logits.clone())
    assert_equal(unchanged(lambda x: filters.repetition_penalty(x, ids, penalty), logits), expected)
    assert_equal(filters.repetition_penalty(logits, ids.tolist(), penalty), expected)


@pytest.mark.parametrize("n", [1, 2, 3, 5])
@pytest.mark.parametrize("length", [1, 2, 3, 30])
def test_no_repeat_ngram_drops_what_transformers_drops(n, length):
    logits = scores("smooth", (4, 3))
    ids = torch.randint(3, (4, length), generator=torch.Generator().manual_seed(n * length))
    expected = theirs.NoRepeatNGramLogitsProcessor(n)(ids, logits.clone())
    assert_equal(unchanged(lambda x: filters.no_repeat_ngram(x, ids, n), logits), expected)
    assert_equal(filters.no_repeat_ngram(logits, ids.tolist(), n), expected)


@pytest.mark.parametrize("length", [1, 2, 3, 8])
def test_banned_drops_what_transformers_drops_for_bad_words(length):
    """On the same tokens; that ours are the new ones only is what the strategies' tests show."""
    logits, phrases = scores("smooth", (5, 4)), [[0], [1, 2], [2, 2], [1, 1, 3], [0, 1, 2, 3], [3, 0, 3]]
    ids = torch.randint(4, (5, length), generator=torch.Generator().manual_seed(length))
    expected = theirs.NoBadWordsLogitsProcessor([list(one) for one in phrases])(ids, logits.clone())
    assert_equal(unchanged(lambda x: filters.banned(x, ids.tolist(), phrases), logits), expected)


def test_a_banned_phrase_that_has_not_begun_or_is_longer_than_the_text_drops_nothing():
    logits = scores("smooth", (2, 4))
    assert_equal(filters.banned(logits, [[], [3]], [[1, 2], [3, 3, 3]]), logits)


def test_temperature_zero_keeps_the_first_of_the_highest_scores_alone():
    ours = unchanged(lambda x: filters.temperature(x, 0), torch.tensor([[1.0, 4.0, 4.0], [-3.0, -5.0, -3.0]]))
    assert ours.tolist() == [[-math.inf, 4.0, -math.inf], [-3.0, -math.inf, -math.inf]]


@pytest.mark.parametrize("t", [1e-29, 1e-36, 1e-40, 5e-324])
def test_a_temperature_so_small_that_scores_overflow_is_the_limit_zero(t):
    logits = torch.tensor([[100.0, 250.0, 250.0], [-300.0, -200.0, -300.0]])
    assert filters.temperature(logits, t).log_softmax(dim=-1).exp().argmax(dim=-1).tolist() == [1, 1]
    assert not filters.temperature(logits, t).log_softmax(dim=-1).isnan().any()


@pytest.mark.parametrize(
    "keeps_all",
    [
        lambda x: filters.top_k(x, 0),
        lambda x: filters.top_p(x, 1),
        lambda x: filters.min_p(x, 0),
        lambda x: filters.typical(x, 1.0),
        lambda x: filters.temperature(x, 1),
        lambda x: filters.repetition_penalty(x, [[0]] * len(x), 1),
        lambda x: filters.no_repeat_ngram(x, [[0]] * len(x), 0),
        lambda x: filters.banned(x, [[0]] * len(x), []),
    ],
    ids=["k=0", "p=1", "min_p=0", "typical=1", "t=1", "penalty=1", "n=0", "none banned"],
)
def test_a_filter_that_is_off_changes_no_number_and_still_gives_a_new_tensor(logits, keeps_all):
    assert_equal(unchanged(keeps_all, logits), logits)


def test_typical_may_drop_the_likeliest_token():
    """The expected surprise is 1.07: that of 0.275 (1.29) is nearer to it than that of 0.45 (0.80)."""
    logits = torch.tensor([[0.45, 0.275, 0.275]]).log()
    assert (filters.typical(logits, 0.5) > -torch.inf).tolist() == [[False, True, True]]


@pytest.mark.parametrize("settings", [{}, {"typical": 0.6}, {"temperature": 2.5, "min_p": 0.0}, {"top_k": 5}])
def test_all_filters_together_act_in_transformers_order(settings):
    chosen = {"repetition_penalty": 1.4, "no_repeat_ngram_size": 2, "banned": [[3], [5, 6]]}
    chosen |= {"temperature": 0.6, "top_k": 30, "top_p": 0.9, "min_p": 0.02, "typical": 0.9} | settings
    made = {
        "repetition_penalty": theirs.RepetitionPenaltyLogitsProcessor,
        "no_repeat_ngram_size": theirs.NoRepeatNGramLogitsProcessor,
        "banned": theirs.NoBadWordsLogitsProcessor,
        "temperature": theirs.TemperatureLogitsWarper,
        "top_k": theirs.TopKLogitsWarper,
        "top_p": theirs.TopPLogitsWarper,
        "min_p": theirs.MinPLogitsWarper,
        "typical": theirs.TypicalLogitsWarper,
    }
    chain = theirs.LogitsProcessorList([make(chosen[name]) for name, make in made.items()])
    for seed in range(10):
        logits = scores("ties" if seed % 2 else "smooth", (3, 60), seed)
        ids = torch.randint(60, (3, 40), generator=torch.Generator().manual_seed(seed))
        ids[0, -1] = 5
        ours = unchanged(lambda x, ids=ids: Filters(**chosen).apply(x, ids.tolist(), ids.tolist()), logits)
        assert_equal(ours, chain(ids, logits.clone()))


def test_the_order_of_filters_can_be_seen_in_what_is_kept():
    """Temperature before top-p: 0.9 of the flattened distribution takes more tokens than 0.9 of the sharp one."""
    logits = torch.tensor([[0.7, 0.25, 0.04, 0.01]]).log()
    together = Filters(temperature=3.0, top_p=0.9).apply(logits, [[0]], [[]])
    other_way = filters.temperature(filters.top_p(logits, 0.9), 3.0)
    assert (together > -torch.inf).sum() == 4
    assert (other_way > -torch.inf).sum() == 2


def test_stages_name_the_filters_that_are_on_each_with_what_it_left():
    logits = scores("smooth", (1, 9))
    stages = dict(Filters(temperature=0.5, top_k=3).stages(logits, [[0]], [[]]))
    assert list(stages) == ["temperature", "top_k"]
    assert_equal(stages["temperature"], logits / 0.5)
    assert_equal(stages["top_k"], filters.top_k(logits / 0.5, 3))
    assert Filters(temperature=1, top_p=1.0, typical=1).changes_nothing
    assert not Filters(top_k=1).changes_nothing


BAD = [("temperature", value) for value in (-0.1, math.nan, math.inf, None, "hot", True)]
BAD += [("top_k", value) for value in (-1, 2.0, None, True)]
BAD += [(name, value) for name in ("top_p", "min_p") for value in (-0.01, 1.01, math.nan, None, True)]
BAD += [("typical", value) for value in (0, -1, 1.1, math.nan, None)]
BAD += [("repetition_penalty", value) for value in (0, -2, math.inf, math.nan, None)]
BAD += [("no_repeat_ngram_size", value) for value in (-1, 1.5, None, True)]
BAD += [("banned", value) for value in ([[]], [3], ["ab"], [[-1]], [[1.0]])]


@pytest.mark.parametrize(("name", "value"), BAD)
def test_an_impossible_setting_is_refused_by_the_name_it_was_given_under(name, value):
    with pytest.raises(ValueError, match=rf"^{name} must"):
        Filters(**{name: value})


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, value in BAD if name != "banned"])
def test_a_filter_alone_names_its_own_argument(name, value):
    alone = getattr(filters, "no_repeat_ngram" if name == "no_repeat_ngram_size" else name)
    argument = list(inspect.signature(alone).parameters)[-1]
    given = [[[0]]] if "ids" in inspect.signature(alone).parameters else []
    with pytest.raises(ValueError, match=rf"^{argument} must"):
        alone(torch.zeros(1, 2), *given, value)


def test_a_banned_token_outside_the_vocabulary_is_refused_with_a_sentence():
    with pytest.raises(ValueError, match=r"banned must .* 9"):
        filters.banned(torch.zeros(1, 3), [[9]], [[1], [9, 9]])
