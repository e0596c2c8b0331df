"""The state database: one schema, SQLite or PostgreSQL."""
