"""`icnet benchmark`."""
