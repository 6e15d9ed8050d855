"""Label maps as pictures and videos."""
