"""A server on this machine that plays the Hugging Face hub: the few answers that huggingface_hub asks for files.

It can break off in the middle of a file, crawl, and be somebody else altogether.
"""

import contextlib
import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PIECE = 4096  # bytes sent at once


class Hub(ThreadingHTTPServer):
    """One repository's files at one revision. `asked` lists what was asked for: "HEAD config.json", "GET …"."""

    daemon_threads = True

    def __init__(self, repository: str, revision: str, files: dict[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.repository, self.revision, self.files = repository, revision, files
        self.asked: list[str] = []
        self.ranges: list[str] = []  # of the answers that went on in the middle of a file
        self.break_after: dict[str, int] = {}  # a file's bytes after which the connection is cut, once
        self.always_break = False  # cut it every time
        self.pause = 0.0  # seconds after each piece
        self.hurry = threading.Event()  # ends all pauses
        self.is_a_hub = True  # False: answers everything with a page of its own, as a login page does
        self.status = 200  # any other: the answer to everything

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, *_: object) -> None:
        """A client that hangs up is part of the tests."""


class _Answer(BaseHTTPRequestHandler):
    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, *, with_body: bool) -> None:
        hub = self.server
        before, file = f"/{hub.repository}/resolve/{hub.revision}/", self.path.rpartition("/")[2]
        if "/resolve/" in self.path:
            hub.asked.append(f"{self.command} {file}")
        if not hub.is_a_hub:
            return self._send(200, {}, b"<h1>Please log in</h1>", with_body)
        if hub.status != 200:
            return self._send(hub.status, {}, b"", with_body)
        if self.path != before + file or file not in hub.files:
            missing = "EntryNotFound" if self.path.startswith(before) else "RevisionNotFound"
            return self._send(404, {"X-Error-Code": missing, "X-Repo-Commit": hub.revision}, b"", with_body)
        content = hub.files[file]
        head = {"X-Repo-Commit": hub.revision, "ETag": f'"{hashlib.sha256(content).hexdigest()}"'}
        head |= {"X-Linked-Size": str(len(content)), "Accept-Ranges": "bytes"}
        if wanted := self.headers.get("Range"):
            start = int(wanted.removeprefix("bytes=").partition("-")[0])
            hub.ranges.append(wanted)
            head["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            return self._send(206, head, content[start:], with_body, file)
        self._send(200, head, content, with_body, file)

    def _send(self, status: int, head: dict[str, str], content: bytes, with_body: bool, file: str = "") -> None:
        self.send_response(status)
        for name, value in head.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if not with_body:
            return
        hub = self.server
        allowed = hub.break_after.get(file, len(content))
        if not hub.always_break:
            hub.break_after.pop(file, None)
        for start in range(0, min(allowed, len(content)), PIECE):
            self.wfile.write(content[start : min(start + PIECE, allowed)])
            hub.hurry.wait(hub.pause)
        if allowed < len(content):
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Quiet."""


@contextlib.contextmanager
def serve(repository: str, revision: str, files: dict[str, bytes]) -> Iterator[Hub]:
    """Runs the hub while the block runs, and until every download in this process has ended.

    One that outlives its hub would close, at its next try, the connections that huggingface_hub shares between threads.
    """
    hub = Hub(repository, revision, files)
    thread = threading.Thread(target=hub.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.hurry.set()
        for other in threading.enumerate():
            if other.name == "download":
                other.join(30)
        hub.shutdown()
        hub.server_close()
        thread.join()
