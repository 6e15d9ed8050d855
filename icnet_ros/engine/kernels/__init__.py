"""What runs on pixels before and after the network."""
