"""Which crops of which images a training sees, and how they are changed."""
