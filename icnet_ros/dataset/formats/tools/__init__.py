"""Exports of labelling tools, a file for each tool."""
