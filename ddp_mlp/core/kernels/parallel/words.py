"""Words in shared memory by which workers meet, and the sizes of the tree's work space."""

from __future__ import annotations

#: Words of a counter array, 64 bytes apart: two for the barrier of a node, one for the
#: commands of a rank to its helper threads, and what thread 0 of a rank is doing, for its
#: watchdog: barriers entered, barriers left, step of the phase.
ARRIVED, GENERATION, COMMAND, RANK_STATUS = 0, 8, 16, 24
ENTERED, LEFT, AT_STEP = RANK_STATUS, RANK_STATUS + 1, RANK_STATUS + 2
SYNC_WORDS = 32

#: Words of each layer, on a cache line of its own: how often a worker handed it in, and how often it was complete.
HANDED_IN, READY = range(2)
LAYER_WORDS = 8

#: Values folded at a time: a stack of such blocks stays in the first-level cache.
BLOCK = 1024
#: Depth of the stack: enough for 2^30 micro-batches.
STACK_DEPTH = 32
