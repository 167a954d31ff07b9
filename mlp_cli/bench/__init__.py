"""Step time against the matmul floor and other libraries."""
