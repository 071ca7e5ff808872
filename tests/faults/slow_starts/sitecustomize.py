"""Slow starts of jobs of a service, so that kills of the server meet them before they have claimed anything."""

import random
import sys
import time

if "ddp_mlp.service.running.job_process" in getattr(sys, "orig_argv", ()):
    time.sleep(random.random() * 2)  # noqa: S311
