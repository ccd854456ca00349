"""The bare app that pages are measured against: one slider and its number, with torch and transformers imported.

LABS_BARE_IMPORTS=0 leaves the imports out, for the comparison of cold starts.
"""

import os

import streamlit as st

if os.environ.get("LABS_BARE_IMPORTS") != "0":
    import torch  # noqa: F401
    from transformers import BertModel  # noqa: F401

st.title("Bare")
st.html(f'<p id="shown">{st.slider("Value", 0, 1000, 500)}</p>')
