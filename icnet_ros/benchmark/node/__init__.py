"""Measurements of a running node, as far as they need no ROS."""
