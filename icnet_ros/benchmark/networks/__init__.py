"""Networks compared with each other and at several input sizes."""
