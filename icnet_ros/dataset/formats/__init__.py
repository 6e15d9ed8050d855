"""Exports of labelling tools and layouts of public data sets, one file for each family."""
