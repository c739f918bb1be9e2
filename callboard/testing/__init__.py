"""What tests of notebooks and kernels need, for callboard's own and for those of embedders."""
