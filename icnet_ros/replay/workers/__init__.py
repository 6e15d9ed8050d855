"""Workers of a replay: a background thread, local processes, a Ray cluster."""
