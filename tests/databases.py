"""Fixtures that hand out empty databases: SQLite files, and databases of one real PostgreSQL.

The PostgreSQL server is started by the first test of a run that asks for it and shared by all
workers of that run (:mod:`tests.postgres_keeper` stops it).
"""

from __future__ import annotations

import fcntl
import functools
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from .postgres_pool import Pool

KINDS = ("sqlite", "postgresql")
KEEPER = Path(__file__).with_name("postgres_keeper.py")
_run_directory = pytest.StashKey[Path]()
_lease = pytest.StashKey[int]()
# Held strongly: an engine that nobody refers to any more leaves its connections open.
_engines: set[sa.Engine] = set()
# This worker's, while there is one.
_pool: Pool | None = None
_is_worker = False
_ROOM = 2**30


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--database", choices=KINDS, help="leave out tests of the other database")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    chosen = config.getoption("--database")
    left_out = [item for item in items if chosen and _belongs_to_another(item, chosen)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def _belongs_to_another(item: pytest.Item, chosen: str) -> bool:
    if chosen == "sqlite" and "postgres_database_url" in getattr(item, "fixturenames", ()):
        return True
    parameters = item.callspec.params.values() if hasattr(item, "callspec") else ()
    return any(kind in parameters for kind in KINDS if kind != chosen)


def pytest_configure(config: pytest.Config) -> None:
    global _is_worker
    _is_worker = True
    # Only where tests run: it costs every statement of a benchmark some calls.
    sa.event.listen(sa.Engine, "engine_connect", _remember_engine)
    if hasattr(config, "workerinput"):
        config.stash[_run_directory] = Path(config.workerinput["postgres_directory"])
        return
    # The path of a socket may be no longer than 107 bytes: keep it short.
    directory = Path(tempfile.mkdtemp(prefix="fsc-"))
    descriptor = os.open(directory / "lease", os.O_CREAT | os.O_RDWR)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    config.stash[_run_directory] = directory
    config.stash[_lease] = descriptor


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    node.workerinput["postgres_directory"] = str(node.config.stash[_run_directory])


def pytest_unconfigure(config: pytest.Config) -> None:
    descriptor = config.stash.get(_lease, None)
    if descriptor is None:
        return
    directory = config.stash[_run_directory]
    if not (directory / "url").exists():
        shutil.rmtree(directory)
    os.close(descriptor)


def _start_once(directory: Path) -> str:
    url = directory / "url"
    with (directory / "start").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not url.exists():
            started = subprocess.run(
                [sys.executable, str(KEEPER), str(directory)], capture_output=True, text=True
            )
            if started.returncode != 0:
                raise RuntimeError(f"PostgreSQL didn't start:\n{started.stderr}")
            url.write_text(started.stdout.strip())
    return url.read_text()


def _remember_engine(connection: sa.Connection) -> None:
    _engines.add(connection.engine)


def dispose_engines() -> None:
    """Close the idle connections of every engine that was used, so that none is left to warn."""
    for engine in list(_engines):
        engine.dispose()
    _engines.clear()


@pytest.fixture(autouse=True)
def _disposed_engines() -> Iterator[None]:
    yield
    dispose_engines()


@pytest.fixture(scope="session")
def run_directory(request: pytest.FixtureRequest) -> Path:
    """A directory that all workers of this run share; it is removed when the run ends."""
    return request.config.stash[_run_directory]


@pytest.fixture(scope="session")
def postgres_url(run_directory: Path) -> str:
    """The SQLAlchemy URL of the server's own ``postgres`` database. Make no tables in it."""
    return _start_once(run_directory)


@pytest.fixture(scope="session")
def _postgres_pool(postgres_url: str) -> Iterator[Pool]:
    global _pool
    address = postgres_url.replace("+psycopg", "", 1)
    with psycopg.connect(address, autocommit=True) as administrator:
        _pool = Pool(postgres_url, administrator)
        yield _pool
        _pool.close()
        _pool = None


@pytest.fixture
def new_postgres_database(request: pytest.FixtureRequest) -> Iterator[Callable[[], str]]:
    """A function that makes one more empty PostgreSQL database and returns its URL."""
    lent: list[str] = []

    def create() -> str:
        pool: Pool = request.getfixturevalue("_postgres_pool")
        lent.append(pool.lend())
        return lent[-1]

    yield create
    dispose_engines()
    if _pool is not None:
        for url in lent:
            _pool.take_back(url)


def furnish(url: str, metadata: sa.MetaData, make_tables: Callable[[], object]) -> None:
    """See that the tables of ``metadata`` are in a database, if it is empty without making them.

    :param metadata: the same at every call of a process.
    :param make_tables: does it where nothing else helps.
    """
    address = sa.make_url(url)
    file = Path(address.database or ":memory:")
    is_new_file = file.is_absolute() and file.parent.is_dir() and not file.exists()
    if address.get_backend_name() == "postgresql" and _pool is not None:
        _pool.furnish(url, make_tables)
    elif is_new_file and not address.query and _is_worker:
        file.write_bytes(_furnished_file(metadata))
    else:
        make_tables()


@functools.cache
def _furnished_file(metadata: sa.MetaData) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "furnished.sqlite"
        engine = sa.create_engine(f"sqlite:///{file}")
        metadata.create_all(engine)
        engine.dispose()
        return file.read_bytes()


@pytest.fixture
def sqlite_directory(tmp_path: Path) -> Iterator[Path]:
    """Where a test's SQLite files are: in memory if there is room, since waiting for a disk took
    longer than all else that most tests do."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK) or shutil.disk_usage(memory).free < _ROOM:
        yield tmp_path
        return
    directory = Path(tempfile.mkdtemp(prefix="fsc-", dir=memory))
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def new_database(
    sqlite_directory: Path, new_postgres_database: Callable[[], str]
) -> Callable[[str], str]:
    """A function that makes an empty database, ``sqlite`` or ``postgresql``, returning its URL."""
    numbers = itertools.count()

    def create(kind: str) -> str:
        if kind == "postgresql":
            return new_postgres_database()
        return f"sqlite:///{sqlite_directory / f'database{next(numbers)}.sqlite'}"

    return create


@pytest.fixture(params=KINDS)
def database_url(request: pytest.FixtureRequest, new_database: Callable[[str], str]) -> str:
    """The SQLAlchemy URL of an empty database, once on SQLite and once on PostgreSQL."""
    return new_database(request.param)


@pytest.fixture
def postgres_database_url(new_postgres_database: Callable[[], str]) -> str:
    """The SQLAlchemy URL of an empty PostgreSQL database."""
    return new_postgres_database()
