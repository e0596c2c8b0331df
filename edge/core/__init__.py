"""What the agent decides: pure, no sockets, files, clock or logging."""
