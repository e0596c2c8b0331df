"""The console: NiceGUI pages in front of pure views."""
