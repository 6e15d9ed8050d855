"""What the nodes need of rclpy: releases, QoS, parameters, the graph, logging."""
