"""The domains: one module or package each, which know each other only through ports."""
