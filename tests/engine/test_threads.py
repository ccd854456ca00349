"""torch on one thread for a moment: the others come back, and choosing a beam takes only one."""

import pytest
import torch

from engine.decoding import beam_search
from engine.decoding.beams import BeamSearch
from engine.threads import one_thread


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("two_threads")
def test_torch_works_alone_inside_and_as_before_after():
    with one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 2


@pytest.mark.usefixtures("two_threads")
def test_an_error_inside_gives_the_threads_back():
    with pytest.raises(ZeroDivisionError), one_thread():
        raise ZeroDivisionError
    assert torch.get_num_threads() == 2


@pytest.mark.usefixtures("two_threads")
def test_a_beam_is_chosen_on_one_thread_while_the_model_has_all(monkeypatch):
    reading, choosing = set(), set()
    logits = torch.randn(5, 5, generator=torch.Generator().manual_seed(0))
    choice = BeamSearch._choice

    class Watching:
        def next_logits(self, ids):
            reading.add(torch.get_num_threads())
            return logits[ids[:, -1]]

    def watched(*arguments):
        choosing.add(torch.get_num_threads())
        return choice(*arguments)

    monkeypatch.setattr(BeamSearch, "_choice", watched)
    beam_search(Watching(), [0], num_beams=2, max_new_tokens=2)
    assert (reading, choosing) == ({2}, {1})
    assert torch.get_num_threads() == 2
