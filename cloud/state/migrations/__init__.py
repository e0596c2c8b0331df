"""Alembic's migrations of the state database, run by cloud.state.migrate."""
