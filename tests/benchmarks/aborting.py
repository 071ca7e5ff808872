"""A peer that aborts once it has said what it measured, or before."""

import os
import sys

if __name__ == "__main__":
    if sys.argv[1] == "after":
        sys.stdout.write('{"us": 1.5}')
        sys.stdout.flush()
    os.abort()
