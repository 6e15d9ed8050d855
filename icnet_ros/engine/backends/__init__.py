"""One file per engine, and what they share."""
