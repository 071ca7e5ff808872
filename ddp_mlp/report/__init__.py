"""Reports: runs as pages that people show each other, made from run directories."""
