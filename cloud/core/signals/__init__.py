"""What rules look at besides the readings themselves: signals, made of readings in event time."""
