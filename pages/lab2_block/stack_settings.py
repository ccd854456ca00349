"""What a learner can build with in "Stack it", and the model that it amounts to."""

from dataclasses import dataclass
from typing import Any

from components import runs, state
from engine.blocks import ACTIVATIONS, NORMS
from engine.budget import NUMBER_TYPES, Kind
from engine.experiments.build_once import BuildOnceConfig
from engine.model_config import POSITIONS, ModelConfig
from engine.published import PUBLISHED, Published, find_published

TYPED = 10**12  # what a field takes at all; what a model may be is said in a sentence


@dataclass(frozen=True)
class Size(state.Number):
    """A whole number that the learner types. Any is taken, an emptied field too; `wanted` judges it."""

    low: float = -TYPED
    high: float = TYPED
    most: int = 0  # of what can be counted here
    argument: str = ""  # its name in ModelConfig
    optional: bool = False  # an empty field means something

    def parse(self, raw: str) -> int | None:
        return super().parse(raw) if raw else None

    def format(self, value: int | None) -> str:
        return "" if value is None else str(value)

    def wanted(self) -> int | None:
        """The number on screen. ValueError when it can be no such size."""
        value = state.get(self)
        if value is None and self.optional:
            return None
        if value is None:
            raise ValueError(f"{self.argument} is empty: type a whole number from 1 to {self.most:,}")
        if not 1 <= value <= self.most:
            raise ValueError(f"{self.argument} must be a whole number from 1 to {self.most:,}, got {value:,}")
        return value


FAMILY = state.Choice(
    "s_family",
    "causal",
    "Family",
    options=("encoder", "causal", "encoder-decoder"),
    labels={"encoder": "Encoder", "causal": "Decoder", "encoder-decoder": "Both"},
    help="Encoder: reads in both directions (BERT). Decoder: reads from left to right and predicts the next token "
    "(GPT, Llama). Both: one text is read, another written (the transformer of 2017).",
)
LAYERS = Size("s_layers", 12, "Layers", most=10_000, argument="n_layers", help="n_layers: blocks, one after another")
WIDTH = Size(
    "s_d_model",
    768,
    "Width",
    step=64,
    most=2**20,
    argument="d_model",
    help="d_model: numbers that stand for one token",
)
HEADS = Size(
    "s_heads", 12, "Heads", most=2**20, argument="n_heads", help="n_heads; they share d_model, so must divide it"
)
KV_HEADS = Size(
    "s_kv",
    None,
    "KV heads",
    most=2**20,
    argument="n_kv_heads",
    optional=True,
    help="n_kv_heads: heads that have keys and values of their own; the others share them (grouped-query attention). "
    "Empty: as many as heads",
)
CONTEXT = Size(
    "s_context", 1024, "Context", step=128, most=10**8, argument="max_len", help="max_len: tokens of a text at most"
)
D_FF = Size("s_ff", 3072, "Hidden units", step=256, most=2**22, argument="d_ff", help="d_ff, of each feed-forward part")
VOCABULARY = Size("s_vocab", 50257, "Vocabulary", step=1000, most=10**7, argument="vocab_size", help="vocab_size")
BATCH = Size("s_batch", 1, "Batch", most=10**6, argument="batch", help="Texts that are read at once")
NUMBER_TYPE = state.Choice(
    "s_type", "float32", "Numbers", options=tuple(NUMBER_TYPES), help="float32: 4 bytes each. The two others: 2 bytes"
)
POSITION = state.Choice("s_pos", "learned", "Positions", options=POSITIONS)
PLACE = state.Choice(
    "s_place", "pre", "Norm stands", options=("pre", "post"), labels={"pre": "before each part", "post": "after it"}
)
NORM = state.Choice(
    "s_norm", "layernorm", "Norm", options=NORMS, labels={"layernorm": "LayerNorm", "rmsnorm": "RMSNorm"}
)
ACTIVATION = state.Choice(
    "s_act",
    "gelu_tanh",
    "Activation",
    options=tuple(ACTIVATIONS),
    labels={"relu": "ReLU", "gelu": "GELU", "gelu_tanh": "GELU (tanh)", "swiglu": "SwiGLU"},
)
TIED = state.Flag("s_tied", True, "Head is the embedding", help="The head reads out with the matrix that reads in")
BIAS = state.Flag("s_bias", True, "Biases", help="A number added to each output of every matrix and norm")
BERT = state.Flag("s_bert", False, "BERT’s extras", help="Two token types, and a pooler over the first token")
RUN = runs.run_id("s_run", "build-once")

SIZES = (LAYERS, WIDTH, HEADS, KV_HEADS, CONTEXT, D_FF, VOCABULARY, BATCH)
SHAPE = [FAMILY, *SIZES, NUMBER_TYPE, POSITION, PLACE, NORM, ACTIVATION, TIED, BIAS, BERT]
PARAMS = [*SHAPE, RUN]


@dataclass(frozen=True)
class Setup:
    """The model on screen, and the texts that it is to read."""

    config: ModelConfig
    kind: Kind
    batch: int
    number_type: str
    pooler: bool

    @property
    def n_bytes(self) -> int:
        return NUMBER_TYPES[self.number_type]

    @property
    def published(self) -> Published | None:
        return find_published(self.config, self.kind, pooler=self.pooler)

    @property
    def once(self) -> BuildOnceConfig:
        """What the job is asked for. BERT's pooler is no part of our module."""
        return BuildOnceConfig(self.config, self.kind, self.batch, self.number_type)


def read() -> Setup:
    """The model that the controls describe. ValueError names the setting that is impossible."""
    kind = state.get(FAMILY)
    bert = kind == "encoder" and state.get(BERT)
    sizes = {size.argument: size.wanted() for size in SIZES}
    batch = sizes.pop("batch")
    config = ModelConfig(
        **sizes,
        positions=state.get(POSITION),
        norm=state.get(NORM),
        norm_first=state.get(PLACE) == "pre",
        activation=state.get(ACTIVATION),
        bias=state.get(BIAS),
        tie_embeddings=kind == "encoder" or state.get(TIED),  # an encoder has no head
        n_token_types=2 if bert else 0,
    )
    return Setup(config, kind, batch, state.get(NUMBER_TYPE), bert)


def culprit(problem: str) -> Size | None:
    """The field that the sentence is about: it begins with the setting's name."""
    return next((size for size in SIZES if problem.startswith(f"{size.argument} ")), None)


def values(published: Published) -> dict[state.Param, Any]:
    """The controls that make this model."""
    config = published.config
    sizes = {size: getattr(config, size.argument) for size in SIZES if size is not BATCH}
    return sizes | {
        FAMILY: published.kind,
        BATCH: 1,
        NUMBER_TYPE: "float32",
        POSITION: config.positions,
        PLACE: "pre" if config.norm_first else "post",
        NORM: config.norm,
        ACTIVATION: config.activation,
        TIED: config.tie_embeddings,
        BIAS: config.bias,
        BERT: published.pooler,
    }


START = PUBLISHED[0]  # the defaults above
