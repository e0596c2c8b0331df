"""What a profile means: frames in, values out. Pure: no files, sockets, clock or logging."""
