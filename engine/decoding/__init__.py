"""From a distribution to a text: greedy decoding, sampling, beam search with constraints, speculative decoding."""

from engine.decoding.beams import BeamSearch, beam_search, beam_search_steps
from engine.decoding.constraints import UnsatisfiableConstraint
from engine.decoding.ending import cut_at_stop, fit_prompt
from engine.decoding.records import BeamCandidate, BeamStep, Candidate, Generation, TokenStep
from engine.decoding.settings import Filters
from engine.decoding.speculative import Round, SpeculativeGeneration, speculative, speculative_rounds
from engine.decoding.walking import greedy, greedy_steps, sample, sample_steps

__all__ = [
    "BeamCandidate",
    "BeamSearch",
    "BeamStep",
    "Candidate",
    "Filters",
    "Generation",
    "Round",
    "SpeculativeGeneration",
    "TokenStep",
    "UnsatisfiableConstraint",
    "beam_search",
    "beam_search_steps",
    "cut_at_stop",
    "fit_prompt",
    "greedy",
    "greedy_steps",
    "sample",
    "sample_steps",
    "speculative",
    "speculative_rounds",
]
