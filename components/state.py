"""Everything a learner can set, in the link and back.

A `Param` says how a value is named in the link, what it may be and what it is when the link is silent. This module
alone reads and writes the link:

- a link that arrives (first request, Back, an edited address) decides every value of the page it opens; a value that
  is impossible is replaced by the default, and the sentence that says so is kept for the control;
- arriving on a page without parameters (from the navigation) brings back the page's last values;
- after every change `publish` writes the values that differ from their defaults into the link.

Values live in a dictionary of their own, because Streamlit forgets a widget's value when the widget is not drawn.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import streamlit as st

from components import storage

MAX_LINK_TEXT = 1_500  # characters; longer texts are stored and the link carries their name
_STORED = "~"  # marks a stored text's name in the link
# In the session while a control has changed something that the link does not say yet. The browser hears of a new link
# only after the run that made it; a run that begins before brings the old one along, which nobody has opened.
_CHANGED_HERE = "link.changed_here"
_NONE = "none"  # stands in the link for an empty choice


@dataclass(frozen=True)
class Param:
    """One thing a learner can set. `parse` and `format` are each other's inverse for every legal value."""

    name: str  # in the link: short, stable, lower case
    default: Any
    label: str
    help: str | None = None

    def parse(self, raw: str) -> Any:
        """The value that `raw` stands for. ValueError says what is wrong and what would be right."""
        raise NotImplementedError(f"{type(self).__name__} must say how to read {raw!r} from a link")

    def format(self, value: Any) -> str:
        return str(value)

    def shown_instead(self) -> str:
        """The default in words, for the sentence about a link that had this value wrong."""
        text = self.format(self.default)
        return (text if len(text) <= 60 else text[:59] + "…") or "none"


@dataclass(frozen=True)
class Number(Param):
    """A whole number, or a decimal when `step` is one."""

    low: float = 0
    high: float = 1
    step: float = 1

    def parse(self, raw: str) -> Any:
        kind = int if isinstance(self.step, int) else float
        wanted = f"{self.name} must be a {'whole ' if kind is int else ''}number from {self.low} to {self.high}"
        try:
            value = kind(raw)
        except ValueError:
            raise ValueError(f"{wanted}; the link says {raw[:40]!r}") from None
        if not self.low <= value <= self.high:
            raise ValueError(f"{wanted}; the link says {raw[:40]}")
        return value

    def format(self, value: Any) -> str:
        return f"{value:g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True)
class Choice(Param):
    """One of several names. `labels` are what the control shows; the link always carries the name."""

    options: tuple[str, ...] = ()
    labels: dict[str, str] = field(default_factory=dict, hash=False)

    def parse(self, raw: str) -> str:
        if raw not in self.options:
            raise ValueError(f"{self.name} must be one of {', '.join(self.options)}; the link says {raw[:40]!r}")
        return raw

    def show(self, option: str) -> str:
        return self.labels.get(option, option)


@dataclass(frozen=True)
class Several(Param):
    """Any of a few names, none included, as a tuple in the order of `options`."""

    options: tuple[str, ...] = ()
    labels: dict[str, str] = field(default_factory=dict, hash=False)

    def parse(self, raw: str) -> tuple[str, ...]:
        names = [] if raw == _NONE else raw.split(",")
        if unknown := [name for name in names if name not in self.options]:
            wanted = f"{self.name} must hold names of {', '.join(self.options)}, with commas, or {_NONE}"
            raise ValueError(f"{wanted}; the link says {unknown[0][:40]!r}")
        return self.ordered(names)

    def format(self, value: tuple[str, ...]) -> str:
        return ",".join(value) or _NONE

    def show(self, option: str) -> str:
        return self.labels.get(option, option)

    def ordered(self, names: Iterable[str]) -> tuple[str, ...]:
        """Those of the options that are among `names`."""
        chosen = set(names)
        return tuple(option for option in self.options if option in chosen)


@dataclass(frozen=True)
class Flag(Param):
    """On or off."""

    def parse(self, raw: str) -> bool:
        if raw not in ("0", "1"):
            raise ValueError(f"{self.name} must be 0 or 1; the link says {raw[:40]!r}")
        return raw == "1"

    def format(self, value: bool) -> str:
        return "1" if value else "0"


@dataclass(frozen=True)
class Text(Param):
    """Free text; a long one is stored under LABS_HOME and the link carries its name."""

    def parse(self, raw: str) -> str:
        return storage.stored_text(raw[len(_STORED) :]) if raw.startswith(_STORED) else raw

    def format(self, value: str) -> str:
        if len(value) > MAX_LINK_TEXT or value.startswith(_STORED) or not _is_unicode(value):
            return _STORED + storage.keep_text(value)
        return value


def _is_unicode(text: str) -> bool:
    # Half a surrogate pair, which a script can put into a text field, stands in no address.
    try:
        return text.isascii() or bool(text.encode())
    except UnicodeEncodeError:
        return False


PRESENT = Flag("present", False, "Present", help="Large type for a projector, without the navigation")


def enter(page: str, frame: Iterable[Param] = ()) -> None:
    """Called first on every full run of a page: decides whether the link or the page's memory speaks.

    frame: the parameters of the page itself, such as which section is open; they stand in every link of the page.
    """
    session = st.session_state
    session["link.frame"] = [*frame, PRESENT]
    link = st.query_params.to_dict()
    arrived = session.get("link.page") != page
    session["link.page"] = page
    changed_here = session.pop(_CHANGED_HERE, False)
    if arrived and not link:
        session["link.raw"] = None  # restore what the page last showed
    elif arrived or (link != session.get("link.published") and not changed_here):
        session["link.raw"] = link
        session["link.judged"] = set()
        session["link.arrivals"] = arrivals() + 1
    else:
        session["link.raw"] = None
    open_params(session["link.frame"])


def open_params(params: Iterable[Param]) -> None:
    """Takes the values of `params` from a link that has just arrived; without one, leaves them as they are."""
    raw = st.session_state.get("link.raw")
    for param in params:
        if raw is not None and param.name not in st.session_state["link.judged"]:
            st.session_state["link.judged"].add(param.name)
            _judge(param, raw.get(param.name))


def _judge(param: Param, raw: str | None) -> None:
    value, sentence = param.default, None
    if raw is not None:
        try:
            value = param.parse(raw)
        except ValueError as error:
            sentence = f"{error}. Shown instead: {param.shown_instead().rstrip('.')}."
    _values()[_key(param)] = value
    _problems()[_key(param)] = sentence


def get(param: Param) -> Any:
    """The value of `param` on the page that is open."""
    return _values().get(_key(param), param.default)


def set_value(param: Param, value: Any) -> None:
    """Sets `param`, as a button's callback does. Its problem, if it had one, is over."""
    _values()[_key(param)] = value
    _problems()[_key(param)] = None
    st.session_state[_CHANGED_HERE] = True


def rerun() -> None:
    """Runs the whole page again because of something on it, and not because a link has arrived."""
    st.session_state[_CHANGED_HERE] = True
    st.rerun()


def problem(param: Param) -> str | None:
    """The sentence about a value that the link had wrong, until the control is changed."""
    return _problems().get(_key(param))


def reset(params: Iterable[Param]) -> None:
    """Back to the same start."""
    for param in params:
        set_value(param, param.default)


def publish(params: Iterable[Param]) -> None:
    """Writes the link: every value of the page's frame and of `params` that differs from its default."""
    shown = [*st.session_state["link.frame"], *params]
    link = {param.name: param.format(get(param)) for param in shown if get(param) != param.default}
    if link != st.query_params.to_dict():
        st.query_params.from_dict(link)
    st.session_state["link.published"] = link
    st.session_state.pop(_CHANGED_HERE, None)


def arrivals() -> int:
    """How many links have arrived in this session.

    A section that keeps on screen what its learner has started, whatever the controls say by now, shows what the link
    says again when another one has arrived.
    """
    return st.session_state.get("link.arrivals", 0)


def presenting() -> bool:
    """Whether the page is shown in presenter mode."""
    return bool(get(PRESENT))


def key(param: Param) -> str:
    """The widget key of `param` on the page that is open."""
    return "widget." + _key(param)


def _key(param: Param) -> str:
    # Presenting is one switch for the whole app; everything else belongs to its page.
    return param.name if param is PRESENT else f"{st.session_state.get('link.page', '')}.{param.name}"


def _values() -> dict[str, Any]:
    return st.session_state.setdefault("link.values", {})


def _problems() -> dict[str, str | None]:
    return st.session_state.setdefault("link.problems", {})
