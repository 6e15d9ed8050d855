"""What the outputs ~/grid and ~/scan are set up with."""
