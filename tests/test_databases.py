from __future__ import annotations

import pytest
import sqlalchemy as sa


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
