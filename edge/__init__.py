"""The edge agent: reads devices, keeps readings on disk, publishes until the cloud has them."""
