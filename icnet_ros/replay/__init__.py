"""A recorded drive through an engine: selection, ground truth, result store, workers."""
