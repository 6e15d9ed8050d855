"""Results of a replay: records of frames, label maps, and their files."""
