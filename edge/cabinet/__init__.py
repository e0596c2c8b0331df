"""At the cabinet: read, scan, probe and watch, for the one who stands there with a new sensor."""
