"""Whether ranks are alive: where each is, who waits for whom, and the end of a job of which one hangs or is gone."""
