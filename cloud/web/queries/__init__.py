"""Questions to the state database; each returns what cloud/web/models.py describes."""
