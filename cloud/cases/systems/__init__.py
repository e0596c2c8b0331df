"""Case systems that are not ours: one file each, one line in EXTERNAL (cloud/cases/others.py)."""
