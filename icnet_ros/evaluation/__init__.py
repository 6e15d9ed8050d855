"""How good and how fast the answers were."""
