"""A host that is cut off from PostgreSQL finds out, and so does PostgreSQL."""

from __future__ import annotations

from procrastinate import PsycopgConnector

from runner.ledger.ledger import open_ledger
from runner.workers import engine


async def test_no_connection_waits_for_ever(new_database: str) -> None:
    app = engine.open_app(new_database)
    assert isinstance(app.connector, PsycopgConnector)
    async with app.open_async(), app.connector.pool.connection() as connection:
        assert connection.info.get_parameters()["tcp_user_timeout"] == "15000"
    with open_ledger(new_database) as ledger, ledger.reading() as session:
        driver = session.connection.driver_connection
        assert driver is not None
        asked = driver.info.get_parameters()
    assert asked["tcp_user_timeout"] == "15000"
    assert "tcp_keepalives_idle=5" in asked["options"]
