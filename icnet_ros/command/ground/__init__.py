"""Commands and options of the ground projection."""
