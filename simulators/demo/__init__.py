"""The demo's supervisor: the whole line as separate processes, with simulated devices."""
