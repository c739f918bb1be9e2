"""Databases as notebooks have them: which objects are engines, what they contain, and where they may be used.

Nothing here imports a database library: an engine is recognised only if the notebook has imported its library.
"""
