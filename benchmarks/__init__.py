"""Step times of the product, on the works that its targets are stated for."""
