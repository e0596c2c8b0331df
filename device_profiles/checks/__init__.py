"""What types alone cannot say about a profile: each module checks one part of it."""
