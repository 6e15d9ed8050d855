"""Filter pruning by l1 norm with retraining."""
