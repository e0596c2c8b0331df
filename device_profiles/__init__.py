"""Device profiles: the schema, the strict loader, the catalog, and what frames mean."""
