"""The list of pages and nothing else. A lab stands here when it works."""

import streamlit as st

st.set_page_config(
    page_title="Transformer Labs", page_icon="assets/favicon.png", layout="wide", initial_sidebar_state=220
)

st.logo("assets/favicon.png", size="large")

st.navigation(
    {
        "": [st.Page("home.py", title="Home", default=True)],
        "Labs": [st.Page("lab1_attention/page.py", title="1 Attention", url_path="lab1")],
    }
).run()
