"""The house's typography, as one style sheet. Colours come from the theme, so both themes are served."""

STYLE = """
.block-container { padding: 1.4rem 2.2rem 3rem; max-width: 1560px; }
h1 { font-size: 1.75rem !important; font-weight: 650 !important; padding: 0 !important; }
h2 { font-size: 1.35rem !important; font-weight: 600 !important; padding: .2rem 0 .2rem !important; }
h3 { font-size: 1.1rem !important; font-weight: 600 !important; }
.labs-aside { margin: 0; opacity: .7; font-size: .9rem; }
.labs-prose { margin: 0; max-width: 46rem; line-height: 1.55; }
.labs-reading { margin: 0; font-size: .92rem; opacity: .82; }
.labs-notice { margin: 0; max-width: 52rem; line-height: 1.5; }
.labs-notice b:first-child { margin-right: .35rem; }
.labs-label { font-weight: 600; }
.labs-problem { margin: 0; padding: .1rem .6rem; border-left: 4px solid #D55E00; font-size: .92rem; line-height: 1.45;
  overflow-wrap: anywhere; }
.labs-audit { margin: 0; font-size: .85rem; opacity: .82; font-variant-numeric: tabular-nums; }
.labs-audit span { color: #009E73; font-weight: 700; margin-right: .15rem; }
.labs-audit-fails { color: #D55E00; opacity: 1; font-weight: 600; }
.labs-audit-fails span { color: #D55E00; }
.labs-run { margin: 0; min-height: 1.4rem; font-size: .92rem; opacity: .82; font-variant-numeric: tabular-nums; }
.labs-run-bar { display: inline-block; width: 9rem; height: .45rem; margin-right: .7rem; border-radius: 99px;
  vertical-align: middle; background: linear-gradient(to right, #0072B2 var(--share),
  color-mix(in srgb, currentColor 18%, transparent) var(--share)); }
.labs-numbers { font-variant-numeric: tabular-nums; }
[data-testid="stSidebarHeader"] > :first-child { display: flex; align-items: center; }
[data-testid="stSidebarHeader"] > :first-child::after { content: "Transformer Labs"; font-weight: 650;
  margin-left: .55rem; white-space: nowrap; }
.labs-small-table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; margin: .4rem 0; }
.labs-small-table th, .labs-small-table td { text-align: left; vertical-align: top; line-height: 1.35;
  padding: .25rem .9rem .25rem 0;
  border-bottom: 1px solid color-mix(in srgb, currentColor 18%, transparent); }
.labs-small-table th { font-weight: 600; opacity: .8; }
.labs-right { color: #009E73; font-weight: 650; white-space: nowrap; }
.labs-wrong { color: #D55E00; font-weight: 650; }
.labs-strip { display: grid; grid-template-columns: max-content 1fr; gap: .45rem 1rem; align-items: center; }
.labs-strip-name { font-size: .92rem; opacity: .82; text-align: right; }
.labs-tile { display: inline-block; min-width: 1.75rem; height: 1.85rem; line-height: 1.8rem; margin: 0 .16rem .16rem 0;
  padding: 0 .3rem; border-radius: .3rem; text-align: center; vertical-align: middle; font-weight: 550;
  border: 1px solid color-mix(in srgb, currentColor 24%, transparent);
  background: color-mix(in srgb, #0072B2 var(--share, 0%), transparent); }
.labs-tile-dark { color: #fff; }
.labs-tile-now { outline: 2px solid currentColor; outline-offset: 1px; }
.labs-tile-empty { border-style: dashed; }
.labs-bars-title { margin: 0 0 .6rem; }
.labs-bars { display: grid; grid-template-columns: max-content 1fr max-content; gap: .4rem .6rem; align-items: center; }
.labs-bar-name { font-weight: 550; text-align: right; }
.labs-bar { height: 1rem; border-radius: .2rem; background: linear-gradient(to right,
  color-mix(in srgb, #0072B2 45%, transparent) var(--share),
  color-mix(in srgb, currentColor 9%, transparent) var(--share)); }
.labs-bar-first { background: linear-gradient(to right, #0072B2 var(--share),
  color-mix(in srgb, currentColor 9%, transparent) var(--share)); }
.labs-bar-table { display: grid; grid-template-columns: max-content repeat(var(--n), 1fr); gap: .28rem 1rem;
  align-items: center; font-size: .92rem; }
.labs-bar-group { grid-column: 1 / -1; margin-top: .35rem; font-size: .88rem; opacity: .75; }
.labs-bar-cell { display: flex; align-items: center; gap: .4rem; white-space: nowrap; }
.labs-bar-cell > span { height: 1rem; border-radius: .2rem; flex: none; }
.labs-bar-cell i { font-style: normal; font-size: .82rem; color: #D55E00; }
.labs-bar-query { background: #0072B2; } .labs-bar-key { background: #E69F00; } .labs-bar-value { background: #009E73; }
.labs-flow { display: flex; align-items: center; gap: .4rem; font-size: .88rem; text-align: center; }
.labs-flow-bar { min-width: max-content; padding: .15rem .5rem; border-radius: 4px; white-space: nowrap;
  background: color-mix(in srgb, currentColor 9%, transparent); }
.labs-strongest p, .labs-strongest li { font-size: .86rem; line-height: 1.35; }
.labs-strongest p { margin: 0 0 .5rem; }
.labs-strongest ol { list-style: none; margin: 0; padding: 0; }
.labs-strongest li { margin: 0 0 .4rem; padding-left: 2.2rem; position: relative; }
.labs-strongest li span { position: absolute; left: 0; color: #009E73; font-weight: 700;
  font-variant-numeric: tabular-nums; }
.labs-merges { display: flex; flex-wrap: wrap; gap: .4rem; margin: .35rem 0 .2rem; }
.labs-merge { display: inline-flex; flex-direction: column; align-items: center; padding: .2rem .6rem;
  border-radius: .35rem; border: 1px solid color-mix(in srgb, currentColor 24%, transparent);
  background: color-mix(in srgb, #0072B2 9%, transparent); }
.labs-merge code { background: none; padding: 0; color: inherit; font-size: 1rem; }
.labs-merge small { font-size: .82rem; opacity: .75; white-space: nowrap; font-variant-numeric: tabular-nums; }
.labs-merge small code { font-size: .82rem; }
.labs-stories { display: grid; grid-template-columns: repeat(var(--n), minmax(0, 1fr)); gap: .4rem 1.6rem; }
.labs-stories p { margin: 0 0 .15rem; }
.labs-story { white-space: pre-wrap; overflow-wrap: anywhere; font-size: .84rem; line-height: 1.42;
  max-height: var(--height, none); overflow-y: auto; }
.labs-story-given { opacity: .62; }
.labs-story mark { color: inherit; background: none; border-radius: .2rem; padding: .06rem 0; }
.labs-story .labs-story-loop { background: color-mix(in srgb, #D55E00 38%, transparent); }
.labs-story .labs-story-loop-again { background: color-mix(in srgb, #D55E00 17%, transparent); }
.labs-story .labs-story-again { text-decoration: underline dotted #D55E00 2px;
  text-underline-offset: .2em; }
.labs-story .labs-story-unknown { text-decoration: underline wavy #D55E00 1px; text-underline-offset: .2em; }
[data-testid="stHeader"] { background: transparent; }
[class*="st-key-try-"] button { font-size: .9rem; }
[class*="st-key-typed-"] [data-testid^="stNumberInputStep"] { display: none; }
"""

STYLE_PRESENTING = """
:root { font-size: 24px !important; }
[data-testid="stSidebar"], [data-testid="stSidebarCollapsedControl"], [data-testid="stExpandSidebarButton"]
{ display: none !important; }
.block-container { padding-top: .8rem; max-width: none; }
.labs-aside { display: none; }
"""
