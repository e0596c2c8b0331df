"""Pure: values in, values or actions out. No sockets, files, clock, environment or logging."""
