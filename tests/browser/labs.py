"""The labs as the browser tests meet them: addresses, sections, and links with other values than the defaults."""

import ast
import importlib
from dataclasses import dataclass
from types import ModuleType

from components import state
from tests.serving import ROOT

SENTENCE = "Two small birds sang and flew away."

# Values that must fit together, where one step from each default would not.
CHOSEN: dict[tuple[str, str], dict[str, str]] = {
    ("/lab1", "idea"): {"reader": "3"},
    ("/lab1", "by-hand"): {"h_words": "birds fly away"},
    ("/lab1", "shapes"): {"s_d_model": "20", "s_heads": "5"},
    ("/lab1", "real-model"): {"text": "A small bird sang on the fence, and then it flew away."},
    ("/lab4", "without"): {"c_text": "The cat sat.\nThe cat ran.\nThe dog sat.\nThe dog ran.", "c_gone": "2,3"},
    ("/lab4", "train"): {"t_size": "512"},
    ("/lab2", "block"): {"b_model": "32", "b_heads": "8", "b_ff": "100"},
    ("/lab2", "layers"): {"m_first": "3", "m_second": "8"},
    ("/lab2", "heads"): {"h_token": "5"},
    ("/lab2", "lens"): {"le_place": "5"},
    ("/lab2", "translate"): {"t_reverse": "hello", "t_sort": "b2a1", "t_date": "5.6.2007", "t_layer": "1"},
    ("/lab4", "tokens"): {"s_id": "300"},
    ("/lab2", "stack"): {
        "s_layers": "4",
        "s_d_model": "256",
        "s_heads": "8",
        "s_kv": "2",
        "s_context": "512",
        "s_ff": "512",
        "s_vocab": "1000",
        "s_batch": "2",
    },
    ("/lab4", "size"): {"v_size": "512", "v_own": "The cat sat.\nThe cat ran.\nThe dog sat.\nThe dog ran."},
    ("/lab4", "judge"): {"j_own": "The cat sat.\nThe cat ran.\nThe dog sat."},
    ("/lab4", "wrong"): {"x_numbers": "17 1800"},
    ("/lab6", "constraints"): {"co_words": "happy, ball", "co_banned": "park", "co_step": "3"},
    ("/lab6", "race"): {"ra_lanes": "greedy,sample,typical,word", "ra_new": "24", "ra_word": "friend"},
    ("/lab6", "inside"): {"in_head": "2"},
    ("/lab6", "decoder"): {"de_forks": "Dp1.AJwAHw.AFxAEYALd"},
}


@dataclass(frozen=True)
class OpenSection:
    """One section of one lab; `path` is the lab's address."""

    path: str
    name: str
    label: str
    module_name: str
    first: bool  # the section that a link without a section opens

    @property
    def module(self) -> ModuleType:
        return importlib.import_module(self.module_name)

    def link(self) -> dict[str, str]:
        """The link to this section at its defaults."""
        return {} if self.first else {"section": self.name}

    def other_link(self) -> dict[str, str]:
        """A link to this section in which every parameter that can be changed differs from its default."""
        values = self.link()
        chosen = CHOSEN.get((self.path, self.name), {})
        for param in self.module.PARAMS:
            if param.name in chosen:
                values[param.name] = chosen[param.name]
            elif (value := _another(param)) is not None:
                values[param.name] = param.format(value)
        return values


def sections() -> list[OpenSection]:
    """Every section of every lab, read from the labs' page.py without running them."""
    found = []
    for script in sorted((ROOT / "pages").glob("lab*_*/page.py")):
        path = "/" + script.parent.name.split("_")[0]
        calls = [node for node in ast.walk(ast.parse(script.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
        named = [[part.value for part in call.args] for call in calls if getattr(call.func, "id", "") == "Section"]
        found += [OpenSection(path, *names, first=place == 0) for place, names in enumerate(named)]
    return found


def _another(param: state.Param) -> object | None:
    if isinstance(param, state.Number):
        up = param.default + param.step
        return up if up <= param.high else param.default - param.step
    if isinstance(param, state.Choice):
        return next(option for option in param.options if option != param.default)
    if isinstance(param, state.Flag):
        return not param.default
    if type(param) is state.Text:
        return SENTENCE
    return None
