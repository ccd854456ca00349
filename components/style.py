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
.labs-problem { margin: 0; padding: .1rem .6rem; border-left: 4px solid #D55E00; font-size: .92rem; line-height: 1.45; }
.labs-audit { margin: 0; font-size: .85rem; opacity: .82; font-variant-numeric: tabular-nums; }
.labs-audit span { color: #009E73; font-weight: 700; margin-right: .15rem; }
.labs-audit-fails { color: #D55E00; opacity: 1; font-weight: 600; }
.labs-audit-fails span { color: #D55E00; }
.labs-numbers { font-variant-numeric: tabular-nums; }
[data-testid="stSidebarHeader"] > :first-child { display: flex; align-items: center; }
[data-testid="stSidebarHeader"] > :first-child::after { content: "Transformer Labs"; font-weight: 650;
  margin-left: .55rem; white-space: nowrap; }
.labs-small-table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; margin: .4rem 0; }
.labs-small-table th, .labs-small-table td { text-align: left; vertical-align: top; line-height: 1.35;
  padding: .25rem .9rem .25rem 0;
  border-bottom: 1px solid color-mix(in srgb, currentColor 18%, transparent); }
.labs-small-table th { font-weight: 600; opacity: .8; }
[data-testid="stHeader"] { background: transparent; }
[class*="st-key-try-"] button { font-size: .9rem; }
"""

STYLE_PRESENTING = """
:root { font-size: 24px !important; }
[data-testid="stSidebar"], [data-testid="stSidebarCollapsedControl"], [data-testid="stExpandSidebarButton"]
{ display: none !important; }
.block-container { padding-top: .8rem; max-width: none; }
.labs-aside { display: none; }
"""
