"""Label maps on the ground plane: an occupancy grid and a scan, from the camera's calibration and its pose."""
