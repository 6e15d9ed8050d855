"""Commands that train or change weights."""
