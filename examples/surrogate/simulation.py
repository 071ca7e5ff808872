"""A simulation to be replaced: oscillators that are pushed for a while and then left alone. Writes simulations.csv."""

import csv
from pathlib import Path

import numpy as np

PARAMETERS = ("mass_kg", "damping_Ns_m", "stiffness_N_m", "force_N", "duration_s")
LOW = np.array([0.5, 0.05, 5.0, 0.2, 0.1])
HIGH = np.array([2.0, 1.00, 50.0, 2.0, 1.0])
QUANTITIES = ("deflection_m", "speed_m_s", "energy_J")  # the highest, the highest, and that after 5 s


def simulate(parameters: np.ndarray) -> np.ndarray:
    """Return the quantities of oscillators, shape (n, 3), for their parameters, shape (n, 5)."""
    mass, damping, stiffness, force, duration = parameters.T
    x, v, top, fastest = np.zeros((4, len(parameters)))
    step = 0.002
    for k in range(2500):  # semi-implicit Euler, 5 s
        push = np.where(k * step < duration, force, 0)
        v = v + step * (push - damping * v - stiffness * x) / mass
        x = x + step * v
        top, fastest = np.maximum(top, abs(x)), np.maximum(fastest, abs(v))
    return np.column_stack([top, fastest, (mass * v**2 + stiffness * x**2) / 2])


def draw(n: int, seed: int) -> np.ndarray:
    """Return parameters, shape (n, 5), drawn evenly between the bounds."""
    return np.random.default_rng(seed).uniform(LOW, HIGH, (n, 5))


def main() -> None:
    """Simulate 4500 oscillators."""
    parameters = draw(4500, seed=0)
    with Path("simulations.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow([*PARAMETERS, *QUANTITIES])
        table.writerows(np.column_stack([parameters, simulate(parameters)]).tolist())


if __name__ == "__main__":
    main()
