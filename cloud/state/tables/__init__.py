"""The tables of the state database, a file an area; cloud/state/schema.py gathers them."""
