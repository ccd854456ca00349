"""Many prompts side by side: each text is the one that is written alone."""

import pytest

from engine import models
from engine.decoding import Filters, greedy, sample
from engine.decoding.together import write_together
from engine.decoding.walking import Dice
from engine.experiments.beginnings import prompts


@pytest.fixture(scope="module")
def story():
    return models.load("story-lm", device="cpu")


@pytest.fixture(scope="module")
def begun(story):
    return prompts(story.tokenizer, 4)


def test_greedy_texts_are_those_written_alone(story, begun):
    end = story.tokenizer.eos_id
    for penalty in (1.0, 1.2):
        found = write_together(
            story.model, begun, max_new_tokens=25, filters=Filters(repetition_penalty=penalty), eos_id=end
        )
        alone = [
            greedy(story.model, prompt, max_new_tokens=25, repetition_penalty=penalty, eos_id=end) for prompt in begun
        ]
        assert [one.ids for one in found] == [one.ids for one in alone]
        for one, other in zip(found, alone):
            assert sum(one.log_probs) == pytest.approx(other.log_prob, abs=1e-3)


def test_drawn_texts_are_those_written_alone_with_the_same_dice(story, begun):
    settings = {"temperature": 0.8, "top_k": 40, "top_p": 0.95}
    dice = [Dice(3 + number) for number in range(len(begun))]
    found = write_together(story.model, begun, max_new_tokens=20, filters=Filters(**settings), dice=dice)
    for number, (one, prompt) in enumerate(zip(found, begun)):
        alone = sample(story.model, prompt, max_new_tokens=20, seed=3 + number, keep_steps=True, **settings)
        assert one.ids == alone.ids
        assert one.entropies == pytest.approx([step.filtered_entropy for step in alone.steps], abs=1e-3)


def test_a_text_that_ends_leaves_the_others_as_they_are(story, begun):
    common = story.tokenizer.encode(" a")[0]  # stands in every text sooner or later: it plays the end token
    found = write_together(story.model, begun, max_new_tokens=40, eos_id=common)
    assert {len(one.ids) for one in found} != {40}
    for one, prompt in zip(found, begun):
        assert one.ids == greedy(story.model, prompt, max_new_tokens=40, eos_id=common).ids
        assert one.finished == (one.ids[-1] == common)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ([[1, 2], [1]], r"prompts must have one length of 1 token or more, got the lengths \[1, 2\]"),
        ([[]], "got the lengths"),
        ([], "got the lengths"),
    ],
)
def test_prompts_of_several_lengths_are_refused(story, wrong, says):
    with pytest.raises(ValueError, match=says):
        write_together(story.model, wrong, max_new_tokens=2)


def test_dice_must_be_one_for_each_prompt(story, begun):
    with pytest.raises(ValueError, match="dice must be one for each of the 4 prompts, got 1"):
        write_together(story.model, begun, max_new_tokens=2, dice=[Dice(0)])
