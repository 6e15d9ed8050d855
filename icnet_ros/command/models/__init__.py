"""Commands about checkpoints and networks."""
