"""Write events.csv: 6000 pressure pulses of a pump, 5 % of them from a valve that is about to fail."""

import csv
from pathlib import Path

import numpy as np


def main() -> None:
    """Draw the pulses; those of failing valves rise faster and ring longer, but not all of them."""
    random = np.random.default_rng(1)
    fails = random.random(6000) < 0.05
    height = random.normal(4.0, 0.5, 6000) + 0.3 * fails
    rise = random.lognormal(1.0, 0.25, 6000) * np.where(fails, 0.7, 1.0)
    ringing = random.gamma(4.0, 0.5, 6000) * np.where(fails, 1.8, 1.0)
    make = random.choice(["north", "south"], 6000)
    with Path("events.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["height_bar", "rise_ms", "ringing_ms", "make", "valve"])
        for row in zip(height, rise, ringing, make, fails, strict=True):
            table.writerow([*(f"{value:.4f}" for value in row[:3]), row[3], "failing" if row[4] else "sound"])


if __name__ == "__main__":
    main()
