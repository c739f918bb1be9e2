"""A concurrency core for notebook kernels: nothing a user touches ever waits for a slow domain."""
