"""Training: recipes, sampling, augmentation, losses, training loop, pruning, quantization."""
