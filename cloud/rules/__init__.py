"""Rules as files: presets, the strict loader, the checks."""
