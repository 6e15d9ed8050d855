"""Who does the work of a replay: a background thread, processes of this machine, a Ray cluster."""
