"""A trained network as a page that plays it."""
