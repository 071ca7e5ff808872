"""Statistics of columns: exact to merge, whoever reads which rows, and what fills missing values."""
