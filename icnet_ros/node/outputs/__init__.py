"""What a configured node publishes for each camera."""
