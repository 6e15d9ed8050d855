"""A checkpoint on an annotated dataset."""
