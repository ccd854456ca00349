"""The server: starts the app, loads torch and the bundled model behind the first page, answers a health route.

The pages' script is pages/navigation.py, named here rather than run here: with a folder called `pages` beside the
script that runs, Streamlit serves the first deep link of a fresh server with its old automatic navigation.
"""

from contextlib import asynccontextmanager

import streamlit as st
from starlette.responses import JSONResponse
from starlette.routing import Route

from components import warm_up


@asynccontextmanager
async def lifespan(_app):
    warm_up.start_thread()
    yield


async def ready(_request):
    """GET /api/ready: whether the bundled model is in memory yet, for benchmarks and load balancers."""
    return JSONResponse({"ready": warm_up.finished(), "problem": warm_up.problem()})


app = st.App("pages/navigation.py", lifespan=lifespan, routes=[Route("/api/ready", ready)])
