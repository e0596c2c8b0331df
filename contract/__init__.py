"""What edge and cloud agree on: quantities, readings, the wire codec, topics, clock, errors."""
