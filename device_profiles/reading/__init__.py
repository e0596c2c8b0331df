"""From the text of a profile to a Profile, or to every problem in it with file, line and key."""
