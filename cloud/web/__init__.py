"""The API and the console."""
