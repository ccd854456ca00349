"""A figure of a paper in miniature: before the first step, how large is the last layer's gradient in deeper stacks?

Source: Xiong et al. 2020, section 3.2 and figure 3: the gradient of the last feed-forward weights. The theory says it
falls like 1 / sqrt(n_layers) with the norm before each part (Pre-LN), and does not depend on depth with the norm after.
"""

import math
from dataclasses import dataclass
from statistics import fmean

from engine.signals import SignalConfig, measure_signals

DEPTHS = (2, 4, 8, 16, 32)
SEEDS = (0, 1, 2)


@dataclass(frozen=True)
class GradientsByDepth:
    """The last layer's feed-forward gradient for each depth, the mean over the seeds."""

    depths: tuple[int, ...]
    pre: tuple[float, ...]
    post: tuple[float, ...]

    @property
    def pre_exponent(self) -> float:
        """p where the gradient goes like n_layers ** p, between the first depth and the last; the theory says -1/2."""
        return _exponent(self.depths, self.pre)

    @property
    def post_exponent(self) -> float:
        """Likewise; the theory says 0."""
        return _exponent(self.depths, self.post)

    @property
    def as_expected(self) -> bool:
        """Pre-LN falls at every depth, about as fast as the theory says; Post-LN does not fall with it."""
        falls = all(one > other for one, other in zip(self.pre, self.pre[1:]))
        return falls and -0.7 < self.pre_exponent < -0.3 and abs(self.post_exponent) < 0.2


def gradients_by_depth(depths: tuple[int, ...] = DEPTHS, seeds: tuple[int, ...] = SEEDS) -> GradientsByDepth:
    """Build and measure an untrained stack for each depth, both orders and each seed."""

    def mean(norm_first: bool, n_layers: int) -> float:
        configs = (SignalConfig(n_layers=n_layers, norm_first=norm_first, seed=seed) for seed in seeds)
        return fmean(measure_signals(config).last_feed_forward_gradient for config in configs)

    pre, post = (tuple(mean(norm_first, n_layers) for n_layers in depths) for norm_first in (True, False))
    return GradientsByDepth(depths, pre, post)


def _exponent(depths: tuple[int, ...], gradients: tuple[float, ...]) -> float:
    """
    >>> _exponent((4, 16), (1.0, 0.5))
    -0.5
    """
    return math.log(gradients[-1] / gradients[0]) / math.log(depths[-1] / depths[0])
