from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from ..payloads import new_api_key, new_secret
from .pages import DOCS, blocks

SQLITE_URL = "sqlite:///shop.db"


@pytest.fixture
def load_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Import the marked Python of a page as one module, as a reader would have typed it.

    Of blocks that exclude each other, which have names, only the one that is chosen.
    """
    secret = new_secret()
    monkeypatch.setenv("STRIPE_SECRET_KEY", new_api_key())
    monkeypatch.setenv("STRIPE_WEBHOOK_SECRET_CREDITS", secret)
    loaded: list[str] = []

    def load(page: str, database_url: str = "", choice: str = "") -> tuple[ModuleType, str]:
        name = re.sub(r"\W", "_", f"page_{page}")
        code = [
            one.code
            for one in blocks(page)
            if (one.what, one.language) == ("run", "python") and one.name in ("", choice)
        ]
        assert code, f"{page} has nothing to run"
        text = "\n\n".join(code)
        if database_url:
            assert SQLITE_URL in text
            text = text.replace(SQLITE_URL, database_url)
        file = tmp_path / f"{name}.py"
        file.write_text(text)
        spec = importlib.util.spec_from_file_location(name, file)
        assert spec is not None and spec.loader is not None
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
        loaded.append(name)
        spec.loader.exec_module(module)
        return module, secret

    yield load
    for name in loaded:
        del sys.modules[name]


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built documentation."""
    folder = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "-n", "-q", "-b", "html", str(DOCS), str(folder)],
        capture_output=True,
        text=True,
    )
    assert built.returncode == 0, built.stderr
    return folder
