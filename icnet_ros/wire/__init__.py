"""ROS messages <-> arrays, without ROS."""
