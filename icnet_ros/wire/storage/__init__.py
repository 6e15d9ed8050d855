"""Files of a bag, of every storage, as one source of messages."""
