"""Workers of a node: barriers, the fixed tree, and who takes which rows."""
