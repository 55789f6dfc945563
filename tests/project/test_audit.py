"""The audit of dependencies, against a database of holes on loopback."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.audit import main

HOLE = {
    "id": "GHSA-xxxx-made-up",
    "summary": "Made up.",
    "affected": [
        {
            "package": {"ecosystem": "PyPI", "name": "flask"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "3.1.5"}]}],
            "versions": ["3.1.4"],
        }
    ],
}


class Database(http.server.BaseHTTPRequestHandler):
    """Knows one hole: in flask 3.1.4."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        found = (asked["package"]["name"], asked["version"]) == ("flask", "3.1.4")
        answer = json.dumps({"vulns": [HOLE]} if found else {}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def osv_url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Database) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1/query"
        server.shutdown()
        thread.join()


def lock_of(folder: Path, *lines: str) -> str:
    path = folder / "requirements.lock"
    path.write_text("".join(f"{line} --hash=sha256:{'0' * 64}\n" for line in lines))
    return str(path)


def test_G02_a_known_hole_fails_and_names_the_version_that_mends_it(
    osv_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lock = lock_of(tmp_path, "flask==3.1.4", "blinker==1.9.0")
    assert main(["--lock", lock, "--osv-url", osv_url]) == 1
    told = capsys.readouterr().out
    assert "flask 3.1.4: GHSA-xxxx-made-up, mended in 3.1.5" in told
    assert "2 packages audited; known holes: 1" in told


def test_G02_without_a_known_hole_the_audit_passes(
    osv_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lock = lock_of(tmp_path, "flask==3.1.5", "blinker==1.9.0")
    assert main(["--lock", lock, "--osv-url", osv_url, "--strict"]) == 0
    assert capsys.readouterr().out == "2 packages audited; known holes: 0\n"


def test_G02_a_database_that_cannot_be_reached_is_said_and_fails_only_when_strict(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["--lock", lock_of(tmp_path, "flask==3.1.4"), "--osv-url", "http://127.0.0.1:9/v1"]
    assert main(asked) == 0
    assert "NOT AUDITED: " in capsys.readouterr().err
    assert main([*asked, "--strict"]) == 1
