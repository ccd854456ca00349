"""The check of the estimates: the model on screen really built, and run once, in a process of its own."""

import streamlit as st

from components import errors, runs, state, text
from engine import jobs
from engine.budget import as_bytes
from engine.experiments.build_once import BuildOnceConfig, check_run, run_terms
from engine.formula import total
from pages.lab2_block import stack_settings as of

LONGEST = 120.0  # seconds that a learner may ask of this machine


def draw(setup: of.Setup) -> None:
    """The button, or why there is none; and estimate beside measurement of the run that the link names."""
    st.html('<span class="labs-label">Is the estimate right? Run it once</span>')
    _, refused = errors.attempt(lambda: check(setup.once))
    now = runs.look(of.RUN)
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        if now and now.active:
            st.button("Stop", key="stack.stop", icon=":material/stop:", on_click=jobs.stop, args=(now.run_id,))
        else:
            st.button(
                "Run it once",
                key="stack.once",
                icon=":material/play_arrow:",
                on_click=_begin,
                args=(setup.once,),
                disabled=refused is not None,
            )
    text.problem(refused)
    text.problem(state.problem(of.RUN))
    text.problem(st.session_state.pop("stack.refused", None))
    if not refused:
        text.prose(_about(setup.once), "labs-reading")
    runs.follow(of.RUN, lambda live, status: _compare(live))


def check(config: BuildOnceConfig) -> float:
    """The seconds that the run should take. ValueError with the estimate when it is too much for this machine."""
    check_run(config)
    seconds = jobs.estimate("build-once", config)
    if seconds > LONGEST:
        raise ValueError(
            f"running it once would take about {_duration(seconds)} here, and {LONGEST:.0f} s is the limit; make "
            "n_layers, d_model, the context or the batch smaller"
        )
    return seconds


def _begin(config: BuildOnceConfig) -> None:
    try:
        check(config)  # memory may have been taken since the button was drawn
        state.set_value(of.RUN, jobs.submit("build-once", config))
    except ValueError as error:
        st.session_state["stack.refused"] = str(error)


def _about(config: BuildOnceConfig) -> str:
    return (
        f"Builds it with random weights and runs one forward pass as training does, in a process of its own: about "
        f"{as_bytes(total(run_terms(config)))} and {_duration(jobs.estimate('build-once', config))}."
    )


def _compare(live: jobs.Record | None) -> None:
    """Estimate and measurement side by side. They are the run's own: the controls may have moved on since."""
    if not live or not live.result:
        return
    config, found = live.config, live.result
    estimated = {term.name: term.value for term in run_terms(config)}
    weights, _ = estimated.pop("weights"), estimated.pop("Python's own bookkeeping")
    kept = sum(estimated.values())
    rows = [
        ("Weights", as_bytes(weights), as_bytes(found["weight_bytes"])),
        ("Activations", as_bytes(kept), as_bytes(found["activation_bytes"])),
        ("Build", "", f"{found['build_seconds']:.2f} s"),
        ("One forward pass", "", f"{found['forward_seconds']:.2f} s"),
    ]
    cells = "".join(
        f"<tr><th>{name}</th><td>{estimate}</td><td>{measured}</td></tr>" for name, estimate, measured in rows
    )
    st.html(
        '<table class="labs-small-table labs-numbers"><tr><th></th><th>estimated</th><th>measured</th></tr>'
        f"{cells}</table>"
    )
    text.prose(_verdict(live, kept / found["activation_bytes"]), "labs-reading")


def _verdict(live: jobs.Record, ratio: float) -> str:
    model = live.config.model
    tokens = live.config.batch * model.max_len
    speed = tokens / live.result["forward_seconds"]
    return (
        f"Activations: estimated {ratio:.2f} times what autograd really kept. The pass over {tokens:,} tokens "
        f"({live.config.kind}, {model.n_layers:,} layers of d_model {model.d_model:,}, {live.config.number_type}) ran "
        f"at {speed:,.0f} tokens a second on {live.result['device']}."
    )


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} minutes"
    return f"{seconds / 3600:,.0f} hours" if seconds < 172_800 else f"{seconds / 86_400:,.0f} days"
