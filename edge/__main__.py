"""python -m edge: what `gridwarden edge` is."""

from __future__ import annotations

import sys

from gridwarden import main

main(["edge", *sys.argv[1:]])
