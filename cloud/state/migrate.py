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
    _refuse_newer(database)
    with database.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def require_current(database: Database) -> None:
    """Refuse a database of another version. Raises: StorageError saying what to run."""
    _refuse_newer(database)
    found = _revision(database)
    wanted = ScriptDirectory.from_config(_config()).get_current_head()
    if found != wanted:
        raise StorageError(
            f"the state database is at version {found or 'none'}, this program needs {wanted};"
            " run: gridwarden cloud init CONFIG"
        )


def _refuse_newer(database: Database) -> None:
    found = _revision(database)
    known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    if found is not None and found not in known:
        raise StorageError(
            f"the state database is at version {found}, which this program does not know:"
            " it was made by a newer one; install that"
        )


def _revision(database: Database) -> str | None:
    with database.read() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config
