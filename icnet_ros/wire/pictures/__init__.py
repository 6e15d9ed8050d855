"""Picture files: their formats, their pixels, and whether they are whole."""
