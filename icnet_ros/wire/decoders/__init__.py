"""Image messages -> pictures: one file per family of message types, `table.py` names them."""
