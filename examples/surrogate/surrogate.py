"""A surrogate of a simulation, and how far it can be trusted: five networks that differ in their seeds.

    python surrogate.py                  # or mpiexec -n 2 python surrogate.py: the same bits, sooner

Expect errors of 2 to 4 % of the spread of each quantity, less with the mean of five, and networks that disagree ten
times more about parameters outside those that were simulated; the program also warns of such rows by itself.
"""

from pathlib import Path

import numpy as np

import ddp_mlp

HERE = Path(__file__).parent
LOW = np.array([0.5, 0.05, 5.0, 0.2, 0.1])  # mass (kg), damping (N s/m), stiffness (N/m), force (N), its duration (s)
HIGH = np.array([2.0, 1.00, 50.0, 2.0, 1.0])
QUANTITIES = ("highest deflection (m)", "highest speed (m/s)", "energy after 5 s (J)")


def simulate(parameters: np.ndarray) -> np.ndarray:
    """Return the quantities of oscillators that are pushed for a while and then left alone."""
    mass, damping, stiffness, force, duration = parameters.T
    x, v, top, fastest = np.zeros((4, len(parameters)))
    step = 0.002
    for k in range(2500):  # semi-implicit Euler, 5 s
        push = np.where(k * step < duration, force, 0)
        v = v + step * (push - damping * v - stiffness * x) / mass
        x = x + step * v
        top, fastest = np.maximum(top, abs(x)), np.maximum(fastest, abs(v))
    return np.column_stack([top, fastest, (mass * v**2 + stiffness * x**2) / 2])


def main() -> None:
    """Simulate, train five seeds, compare."""
    random = np.random.default_rng(0)
    x = random.uniform(LOW, HIGH, (4000, 5))
    x_test = random.uniform(LOW, HIGH, (500, 5))
    y, y_test = simulate(x), simulate(x_test)

    models = []
    for seed in range(5):
        config = ddp_mlp.Config.from_toml(HERE / "surrogate.toml", {"train.seed": seed})
        models.append(ddp_mlp.train(config, data=(x, y), out=f"runs/surrogate/seed-{seed}", overwrite=True).model)

    answers = np.array([model.predict(x_test) for model in models])
    spread_of_truth = y_test.std(axis=0)
    single = np.sqrt(((answers - y_test) ** 2).mean(axis=(0, 1))) / spread_of_truth
    together = np.sqrt(((answers.mean(axis=0) - y_test) ** 2).mean(axis=0)) / spread_of_truth
    for name, one, all_of_them in zip(QUANTITIES, single, together, strict=True):
        print(f"{name:24} error {one:.2%} of its spread with one network, {all_of_them:.2%} with the mean of five")

    outside = x_test * [1, 1, 2, 2, 1]  # stiffer and pushed harder than anything that was simulated
    doubt_inside, doubt_outside = (
        (np.array([model.predict(rows) for model in models]).std(axis=0) / spread_of_truth).mean()
        for rows in (x_test, outside)
    )
    print(f"the networks disagree by {doubt_inside:.2%} where they were trained, by {doubt_outside:.2%} outside")


if __name__ == "__main__":
    main()
