"""Section 4, the race: one prompt and one seed, and every strategy writes on, token by token, side by side."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from components import audit, controls, errors, live, section, state, text
from components.figures import lanes as figure
from engine.decoding import beam_search_steps, greedy_steps, measures, sample_steps
from engine.decoding.race import Race, Text, partings
from pages.lab6_generation import prompt, race_opinion
from pages.lab6_generation import race_settings as settings
from pages.lab6_generation import race_words as words
from pages.lab6_generation.params import SEED
from pages.lab6_generation.race_settings import PARAMS, Wish  # PARAMS: the frame asks the section for it

QUESTION = "Where do the strategies part, and what does each make of the same beginning?"
SHOWN = "race.shown"
PROBLEM = "race.problem"


@dataclass
class Shown:
    """The race on this learner's screen. It stays when the controls change: they hold for the next one."""

    wish: Wish
    work: live.Work
    arrival: int  # the link that had arrived when it began
    kept: Sequence[Text] | None = None  # what was written when this learner pressed Stop
    seconds: float = 0.0

    @property
    def running(self) -> bool:
        return self.kept is None and self.work.active

    @property
    def texts(self) -> Sequence[Text]:
        return self.kept if self.kept is not None else tuple(self.work.subject.texts)

    @property
    def state(self) -> str:
        return self.work.state if self.kept is None else "stopped"


@section.live
def draw() -> None:
    """The lanes as far as they have come, and what can be done with the race."""
    wish, problem = errors.attempt(settings.read)
    shown, refused = errors.attempt(lambda: _on_screen(wish))
    controls_column, figure_column = section.layout(QUESTION, controls_share=0.72)
    if shown:
        with figure_column, errors.shown_as_a_sentence():
            _follow(shown)
            section.let_it_paint()
    with controls_column:
        _controls(wish, problem or refused, shown)
    if shown:
        with figure_column, errors.shown_as_a_sentence():
            _below(shown)


def _on_screen(wish: Wish | None) -> Shown | None:
    """The race to show: the learner's, or the one that a link asks for when it has just arrived."""
    shown = st.session_state.get(SHOWN)
    if wish and (shown is None or shown.arrival != state.arrivals()):
        found = live.find(_key(wish), _watcher())
        shown = _show(wish, found or _begin(wish))
    return shown


def _key(wish: Wish) -> tuple:
    return "race", wish.prompt.loaded.info.name, wish.config


def _watcher() -> str:
    return st.session_state.setdefault("race.watcher", secrets.token_hex(8))


def _begin(wish: Wish) -> live.Work:
    race = Race(wish.prompt.model, wish.config, wish.prompt.decode)
    name = wish.prompt.loaded.info.name
    return live.start(
        _key(wish), race, race.turns, watcher=_watcher(), then=lambda race: race_opinion.judge(race, name)
    )


def _show(wish: Wish, work: live.Work) -> Shown:
    before = st.session_state.get(SHOWN)
    if before and before.work is not work:
        live.leave(before.work, _watcher())
    shown = st.session_state[SHOWN] = Shown(wish, work, state.arrivals())
    return shown


def _run() -> None:
    """Starts the race that the controls describe, also when it is the one on screen: a race is there to be watched."""
    wish, problem = errors.attempt(settings.read)
    if wish:
        work, problem = errors.attempt(lambda: _begin(wish))
        if work:
            _show(wish, work)
            work.moved.wait(live.FIRST_TURN)
    st.session_state[PROBLEM] = problem


def _stop() -> None:
    """Keeps what is written. The race itself ends too, unless others watch it."""
    shown = st.session_state.get(SHOWN)
    if shown and shown.running:
        shown.kept, shown.seconds = shown.texts, shown.work.seconds
        live.leave(shown.work, _watcher())


def _controls(wish: Wish | None, problem: str | None, shown: Shown | None) -> None:
    with st.container(horizontal=True, gap="small"):
        changed = bool(wish and shown and _key(wish) != _key(shown.wish))
        kind = "secondary" if shown and shown.running else "primary"
        st.button("Run", key="race.run", on_click=_run, type=kind, icon=":material/play_arrow:", disabled=wish is None)
        stops = bool(shown and shown.running)
        st.button("Stop", key="race.stop", on_click=_stop, icon=":material/stop:", disabled=not stops)
    text.problem(problem)
    text.problem(st.session_state.pop(PROBLEM, None))
    if changed:
        section.reading("The race on screen has other settings: these hold for the next one. Press Run.")
    prompt.control(height=80, any_model=True)
    if wish:
        settings.notes(wish)
    controls.several(settings.LANES)
    controls.number(settings.NEW)
    controls.slider(SEED)
    with st.expander("More"):
        _knobs()
    controls.reset_button(PARAMS)


def _knobs() -> None:
    chosen = state.get(settings.LANES)
    for name, param in settings.KNOBS.items():
        if name in chosen or (name == "beam" and "word" in chosen):
            controls.slider(param)
    if "word" in chosen:
        controls.line(settings.WORD)
    controls.line(settings.STOP, placeholder="such as: The end")
    section.reading("A lane ends with the token that completes the stop string. Empty: only the end token ends a text.")


def _follow(shown: Shown) -> None:
    """The lanes, looked at again several times a second while the race goes on."""
    running = shown.running

    def body() -> None:
        now = st.session_state.get(SHOWN) or shown
        going_on = now.running
        _lanes(now, going_on)
        seconds = now.work.seconds if now.kept is None else now.seconds
        said = words.status(now.state, now.texts, now.wish.config.max_new_tokens, seconds)
        text.prose(said, "labs-run")
        if running and not going_on:
            state.rerun()  # the whole page once: Stop has nothing to stop any more, and the clock ends

    st.fragment(body, run_every=live.LOOK_SECONDS if running else None)()


def _lanes(shown: Shown, running: bool) -> None:
    texts = shown.texts
    parts_at, all_until = partings(texts)
    figure.draw(
        [
            figure.Lane(
                settings.TITLES[name],
                setting,
                words.tokens(shown.wish.prompt, one.ids),
                words.numbers(one),
                place,
                words.note(one),
                settings.ROLES[number % len(settings.ROLES)],
            )
            for number, (name, setting, one, place) in enumerate(
                zip(shown.wish.names, shown.wish.settings, texts, parts_at)
            )
        ],
        words.COLUMNS,
        key="race.lanes",
        alt=words.alt(shown.wish, texts),
        name=shown.work.id,
        all_until=all_until,
        running=running,
    )


def _below(shown: Shown) -> None:
    beams = {"beam", "word"} & set(shown.wish.names)
    section.reading(words.READING + (words.BEAM_NOTE if beams else ""))
    if not shown.running:
        text.prose(words.stop_sentence(shown.wish.config.stop, shown.texts), "labs-reading")
        section.notice(words.notice(shown.wish, shown.texts))
    section.try_this(
        [
            ("Another seed", {SEED: (state.get(SEED) + 1) % int(SEED.high + 1)}),
            ("Temperature 0 beside greedy", {settings.LANES: ("greedy", "sample"), settings.TEMPERATURE: 0.0}),
            (
                "One beam and eight, 120 tokens",
                {settings.LANES: ("greedy", "beam"), settings.BEAMS: 8, settings.NEW: 120},
            ),
        ],
        key="race",
        then=_run,
    )
    if shown.state == "finished":
        _audit(shown)
    section.fold("What each strategy does", _strategies, key="race.strategies")
    section.code(Race.turns, greedy_steps, sample_steps, beam_search_steps, partings, measures.repeated)
    section.table(lambda: words.table(shown.wish, shown.texts), key="race")
    section.sources(
        "Holtzman et al. 2020, [The Curious Case of Neural Text Degeneration](https://arxiv.org/abs/1904.09751), "
        "sections 3 and 5: top-p, and why likely texts repeat themselves",
        "Fan et al. 2018, [Hierarchical Neural Story Generation](https://arxiv.org/abs/1805.04833), section 5: top-k",
        "Meister et al. 2023, [Locally Typical Sampling](https://arxiv.org/abs/2202.00666), section 4",
        "Nguyen et al. 2024, [Turning Up the Heat: Min-p Sampling](https://arxiv.org/abs/2407.01082), section 3",
        "Li et al. 2016, [A Diversity-Promoting Objective Function](https://arxiv.org/abs/1510.03055), section 5: "
        "distinct-1 and distinct-2",
        "Welleck et al. 2020, [Neural Text Generation with Unlikelihood Training](https://arxiv.org/abs/1908.04319), "
        "section 6.1: repeats, there called seq-rep-4",
    )


def _audit(shown: Shown) -> None:
    """transformers' opinion comes a second after the race; it is looked for until it is there."""
    waiting = shown.work.said is None

    def body() -> None:
        if shown.work.said is None:
            section.reading("transformers is writing the same for comparison …")
            return
        for holds, sentence in shown.work.said:
            if holds is None:
                audit.measured(sentence)
            else:
                audit.claim(holds, sentence)
        if waiting:
            state.rerun()  # the clock ends

    st.fragment(body, run_every=0.5 if waiting else None)()


def _strategies() -> None:
    for name in settings.TITLES:
        text.prose(f"<b>{settings.TITLES[name]}</b> {words.STRATEGIES[name]}")
