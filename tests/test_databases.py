from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from .hosts import make_host
from .postgres_pool import Pool


@pytest.mark.parametrize("repetition", range(2))
def test_every_test_gets_an_empty_database(database_url: str, repetition: int) -> None:
    engine = sa.create_engine(database_url)
    assert sa.inspect(engine).get_table_names() == []
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE here (id INTEGER)"))
    assert sa.inspect(engine).get_table_names() == ["here"]


def test_postgresql_takes_many_connections(postgres_url: str) -> None:
    with sa.create_engine(postgres_url).connect() as connection:
        assert connection.scalar(sa.text("SHOW max_connections")) == "200"


class TestPool:
    """Databases are used again with the tables of a host, unless somebody did something to them."""

    @pytest.fixture
    def pool(self, postgres_url: str) -> Iterator[Pool]:
        address = postgres_url.replace("+psycopg", "", 1)
        with psycopg.connect(address, autocommit=True) as administrator:
            pool = Pool(postgres_url, administrator)
            yield pool
            pool.close()

    def furnished(self, pool: Pool) -> tuple[sa.Engine, bool]:
        """An engine of a lent database with tables, and whether these had to be made."""
        url, made = pool.lend(), []
        engine = sa.create_engine(url)
        pool.furnish(url, lambda: made.append(_make_tables(engine)))
        return engine, bool(made)

    def take_back(self, pool: Pool, engine: sa.Engine) -> None:
        engine.dispose()
        pool.take_back(engine.url.render_as_string(hide_password=False))

    def test_rows_are_deleted(self, pool: Pool) -> None:
        first, made = self.furnished(pool)
        assert made
        for _ in range(3):
            with first.begin() as connection:
                connection.execute(sa.text("INSERT INTO orders VALUES (1)"))
                connection.execute(sa.text("INSERT INTO lines VALUES (1)"))
            self.take_back(pool, first)
            second, made = self.furnished(pool)
            assert not made
            assert second.url != first.url
            with second.begin() as connection:
                assert connection.scalar(sa.text("SELECT count(*) FROM orders, lines")) == 0
            with pytest.raises(sa.exc.OperationalError, match="does not exist"):
                first.connect()
            first = second
        self.take_back(pool, first)

    @pytest.mark.parametrize(
        "change",
        [
            "ALTER TABLE orders ADD note text",
            "ALTER TABLE lines ALTER order_id SET NOT NULL",
            "ALTER TABLE lines DROP CONSTRAINT lines_order_id_fkey",
            "ALTER TABLE lines DISABLE TRIGGER ALL",
            "ALTER TABLE orders SET (fillfactor = 50)",
            "ALTER DATABASE {name} SET lock_timeout = 5",
            "CREATE INDEX ON lines (order_id)",
            "CREATE TABLE more (id integer)",
            "CREATE VIEW shown AS SELECT 1",
            "CREATE FUNCTION f() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
            "CREATE SCHEMA billing",
            "CREATE TYPE state AS ENUM ('new')",
            "GRANT SELECT ON orders TO public",
            "INSERT INTO orders SELECT generate_series(1, 20000)",
            "TRUNCATE orders CASCADE",
            "ANALYZE",
        ],
    )
    def test_a_changed_database_is_dropped(self, pool: Pool, change: str) -> None:
        engine, _ = self.furnished(pool)
        with engine.begin() as connection:
            connection.execute(sa.text(change.format(name=engine.url.database)))
        self.take_back(pool, engine)
        again, made = self.furnished(pool)
        assert made
        self.take_back(pool, again)

    def test_a_database_that_somebody_uses_is_dropped(self, pool: Pool) -> None:
        engine, _ = self.furnished(pool)
        with sa.create_engine(engine.url).connect():
            self.take_back(pool, engine)
        assert self.furnished(pool)[1]

    def test_what_was_used_before_is_furnished_as_it_is(self, pool: Pool) -> None:
        self.take_back(pool, self.furnished(pool)[0])
        url, made = pool.lend(), []
        engine = sa.create_engine(url)
        with engine.begin() as connection:
            connection.execute(sa.text("CREATE TABLE mine (id integer)"))
        pool.furnish(url, lambda: made.append(True))
        assert made
        assert sa.inspect(engine).get_table_names() == ["mine"]


def _make_tables(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE orders (id integer PRIMARY KEY)"))
        connection.execute(sa.text("CREATE TABLE lines (order_id integer REFERENCES orders)"))


def test_a_new_file_has_the_tables_of_one_where_they_were_made(
    new_database: Callable[[str], str],
) -> None:
    def tables(url: str) -> list[Any]:
        with sa.create_engine(url).connect() as connection:
            query = "SELECT type, name, sql FROM sqlite_master ORDER BY name"
            return [tuple(row) for row in connection.execute(sa.text(query))]

    copied, made = (
        make_host(new_database("sqlite")),
        make_host(new_database("sqlite"), tables=False),
    )
    with made.app.app_context():
        made.db.create_all()
    assert tables(copied.db_url) == tables(made.db_url) != []
    assert copied.row_counts() == made.row_counts()
