"""ICNet and its relatives as torch modules."""
