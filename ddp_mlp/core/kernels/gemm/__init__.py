"""Matrix products: packing, the microkernel, and the loops around it."""
