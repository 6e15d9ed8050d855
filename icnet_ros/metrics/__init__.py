"""Metrics of label maps: confusion matrix, frame metrics, regions, percentiles. Needs only NumPy and OpenCV."""
