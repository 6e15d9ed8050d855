"""The version of the package: that of package.xml and pyproject.toml."""

__version__ = "1.0.0"
