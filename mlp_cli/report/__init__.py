"""Comparisons of runs: statistics over seeds, tables, a page. Reads folders only, never trains."""
