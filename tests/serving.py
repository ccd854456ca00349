"""A Streamlit server of its own for tests and benchmarks, started as the README says, on a free port."""

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]
PATIENCE = 60.0  # seconds until a server must answer


@contextmanager
def serve(script: str = "app.py", *, our_settings: bool = True, **environment: str) -> Iterator["Server"]:
    """Starts `streamlit run script` with a fresh LABS_HOME, waits until it answers, and stops it at the end.

    our_settings: False runs it where it does not see this project's .streamlit/config.toml.
    """
    with tempfile.TemporaryDirectory() as home:
        server = Server(script, ROOT if our_settings else Path(home), {"LABS_HOME": home, **environment})
        try:
            server.wait_until_healthy()
            yield server
        finally:
            server.stop()


class Server:
    """One server process; `url` is its address, `started` the moment before it was started."""

    def __init__(self, script: str, folder: Path, environment: dict[str, str]):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://localhost:{port}"
        self.log = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the server
        self.started = time.perf_counter()
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "streamlit", "run", str(ROOT / script)),
                *("--server.headless=true", f"--server.port={port}", "--browser.gatherUsageStats=false"),
            ],
            cwd=folder,
            env={**os.environ, **environment},
            stdout=self.log,
            stderr=subprocess.STDOUT,
        )

    def wait_until_healthy(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"the server ended with {self.process.returncode}:\n{self.output()}")
            try:
                with urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=1) as answer:
                    if answer.status == 200:
                        return
            except OSError:
                time.sleep(0.05)
        raise RuntimeError(f"the server did not answer within {PATIENCE:.0f} s:\n{self.output()}")

    def output(self) -> str:
        self.log.seek(0)
        return self.log.read().decode(errors="replace")

    def resident_megabytes(self) -> float:
        """Memory of the server process that is in use, in MB (Linux)."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) / 1024

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()
