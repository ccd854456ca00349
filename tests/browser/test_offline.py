"""With the network unreachable after installation everything bundled works, and nothing even asks for it."""

import json
import os
import subprocess
import sys
import urllib.request

import pytest
from playwright.sync_api import expect

from tests.browser import screen
from tests.browser.labs import OpenSection, sections

# Runs before anything else in the server's Python: every way out except to this machine raises and is noted.
NO_NETWORK = """
import os, socket

LOCAL = {"localhost", "127.0.0.1", "::1", "0.0.0.0", "::", "", None, b"localhost"}


def allowed(address):
    host = address[0] if isinstance(address, tuple) else None  # anything else is a socket in the file system
    return host in LOCAL


def refuse(what):
    with open(os.environ["NETWORK_LOG"], "a") as log:
        log.write(f"{what}\\n")
    raise OSError(101, "Network is unreachable")


def guarded(name, place):
    plain = getattr(socket.socket, name)

    def ask(self, *arguments):
        return plain(self, *arguments) if allowed(arguments[place]) else refuse(f"{name} {arguments[place]}")

    setattr(socket.socket, name, ask)


guarded("connect", 0)
guarded("connect_ex", 0)
guarded("sendto", -1)
plain_getaddrinfo = socket.getaddrinfo
socket.getaddrinfo = lambda host, *rest, **named: (
    plain_getaddrinfo(host, *rest, **named) if host in LOCAL else refuse(f"getaddrinfo {host}")
)
"""


@pytest.fixture
def cut_off(fresh_server, tmp_path):
    """A fresh server without a network, and the file that notes every attempt to reach one."""
    guard = tmp_path / "guard"
    guard.mkdir()
    (guard / "sitecustomize.py").write_text(NO_NETWORK, encoding="utf-8")
    attempts = tmp_path / "attempts.log"
    attempts.touch()
    # An empty cache folder: nothing that was downloaded earlier may help.
    environment = {"PYTHONPATH": str(guard), "NETWORK_LOG": str(attempts), "HF_HOME": str(tmp_path / "empty")}
    return fresh_server(**environment), attempts


def test_home_and_every_section_work_without_a_network_and_never_ask_for_one(page, cut_off):
    server, attempts = cut_off
    screen.go(page, server.url)
    expect(page.get_by_role("heading", level=1)).to_have_text("Transformer Labs")
    for section in sections():
        _open(page, server.url, section)
    assert attempts.read_text() == ""
    with urllib.request.urlopen(f"{server.url}/api/ready", timeout=10) as answer:
        assert json.load(answer) == {"ready": True, "problem": None}


def _open(page, url: str, section: OpenSection) -> None:
    screen.go(page, url + section.path, section.link())
    expect(page.get_by_role("heading", level=2).first).to_have_text(section.module.QUESTION)
    assert screen.breakages(page) == []
    assert screen.disagreements(page) == []


def test_the_guard_would_notice(tmp_path, monkeypatch):
    """The test above can fail: the same guard notes and refuses a look-up and a connection."""
    (tmp_path / "sitecustomize.py").write_text(NO_NETWORK, encoding="utf-8")
    log = tmp_path / "log"
    program = (
        "import socket, contextlib\n"
        "for ask in (lambda: socket.create_connection(('huggingface.co', 443)),\n"
        "            lambda: socket.socket().connect(('192.0.2.1', 80)),\n"
        "            lambda: socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 53))):\n"
        "    with contextlib.suppress(OSError):\n"
        "        ask()\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "NETWORK_LOG": str(log)}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True, timeout=60)
    noted = [line.split()[0] for line in log.read_text().splitlines()]
    assert noted == ["getaddrinfo", "connect", "sendto"]
