"""The packages domain: what a notebook misses, and how it is installed."""
