"""Pictures with predicted labels in the import formats of annotation tools, one file for each."""
