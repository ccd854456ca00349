"""The list of pages and nothing else. A lab stands here when it works."""

import streamlit as st

st.set_page_config(
    page_title="Transformer Labs", page_icon="assets/favicon.png", layout="wide", initial_sidebar_state=220
)

st.logo("assets/favicon.png", size="large")

st.navigation(
    {
        "": [st.Page("home.py", title="Home", default=True)],
        "Labs": [
            st.Page("lab1_attention/page.py", title="1 Attention", url_path="lab1"),
            st.Page("lab2_block/page.py", title="2 The block", url_path="lab2"),
            st.Page("lab4_tokenizer/page.py", title="4 Tokenizer", url_path="lab4"),
            st.Page("lab6_generation/page.py", title="6 Generate", url_path="lab6"),
        ],
    }
).run()
