"""Starting the ranks of one job, watching them, and ending them."""
