"""Bringing the state database to this version's schema, and telling whether it is there."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from cloud.state.database import Database
from contract.errors import StorageError


def migrate(database: Database) -> None:
    """Run what migrations are missing, all in one transaction. Raises: StorageError."""
    config = _config()
    with database.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def require_current(database: Database) -> None:
    """Refuse a database of another version. Raises: StorageError saying what to run."""
    with database.read() as connection:
        found = MigrationContext.configure(connection).get_current_revision()
    wanted = ScriptDirectory.from_config(_config()).get_current_head()
    if found != wanted:
        raise StorageError(
            f"the state database is at version {found or 'none'}, this program needs {wanted};"
            " run: gridwarden cloud init CONFIG"
        )


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config
