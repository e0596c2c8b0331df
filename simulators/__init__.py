"""Simulated devices, their faults and scenarios, and the demo that runs the whole line on them."""
