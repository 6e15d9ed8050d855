"""What follows from label maps alone: confusion matrix, figures of a frame, regions, percentiles. Knows numpy only."""
