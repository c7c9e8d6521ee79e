from tests.trading.conftest import engine, start_engine, venue

__all__ = ["engine", "start_engine", "venue"]
