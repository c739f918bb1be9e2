"""Cells: static analysis, graph and planning (pure), and the engine that runs them."""
