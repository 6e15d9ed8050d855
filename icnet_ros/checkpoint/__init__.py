"""Checkpoints: weights and metadata in one safetensors file; class tables."""
