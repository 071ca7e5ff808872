"""The works: networks and global batches that step times are quoted for."""

from __future__ import annotations

from dataclasses import dataclass

#: Rows that random batches are gathered from.
N_ROWS = 16_384


@dataclass(frozen=True)
class Work:
    """One network and its global batch."""

    name: str
    sizes: tuple[int, ...]
    global_batch_size: int

    @property
    def flops(self) -> int:
        """Floating-point operations of the matrix products of a step.

        Two products of each weight with the batch (forward, weight gradient), and a third
        (input gradient) for all layers but the first.
        """
        pairs = list(zip(self.sizes, self.sizes[1:], strict=False))
        weights = sum(n_in * n_out for n_in, n_out in pairs)
        return 2 * self.global_batch_size * (3 * weights - pairs[0][0] * pairs[0][1])


WORKS = {
    work.name: work
    for work in (
        Work("S", (32, 64, 64, 10), 256),
        Work("M", (784, 128, 10), 128),
        Work("L", (784, 512, 512, 10), 256),
        Work("XL", (784, 2048, 2048, 2048, 10), 1024),
        Work("P", (784, 512, 512, 512, 10), 128),
    )
}
