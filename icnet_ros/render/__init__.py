"""Rendering of label maps as images and videos."""
