"""A peer that aborts once it has said what it measured, or before."""

import os
import sys

if sys.argv[1] == "after":
    print('{"us": 1.5}', flush=True)
os.abort()
