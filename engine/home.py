"""Where this machine keeps what learners make: texts, runs, results."""

import os
from pathlib import Path


def labs_home() -> Path:
    """The folder for what learners make: LABS_HOME, else the user's cache folder."""
    named = os.environ.get("LABS_HOME")
    return Path(named) if named else Path.home() / ".cache" / "transformer-labs"
