"""Replay of recorded drives through an engine: selection, ground truth, result store, workers."""
