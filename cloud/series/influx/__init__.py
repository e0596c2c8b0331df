"""Readings in a server that speaks InfluxDB's protocols: line protocol in, InfluxQL out."""
