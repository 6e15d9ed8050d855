"""Pruning of residual blocks, and of filters by their l1 norm, with retraining."""
