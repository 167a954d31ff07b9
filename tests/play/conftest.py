"""Fixtures that open a page in a browser."""

from browsing import browser, opened, tabs

__all__ = ["browser", "opened", "tabs"]
