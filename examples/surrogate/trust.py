"""Ask an ensemble for quantities, and for how far it trusts itself: inside of what was simulated, and outside."""

import numpy as np
from simulation import QUANTITIES, draw, simulate

import ddp_mlp


def main() -> None:
    """Compare the mean of five networks with the simulation, and their spread inside and outside."""
    model = ddp_mlp.load_model("runs/surrogate")
    inside = draw(500, seed=1)
    outside = inside * [1, 1, 2, 2, 1]  # stiffer and pushed harder than anything that was simulated
    truth = simulate(inside)
    scale = truth.std(axis=0)
    answers, spread = model.predict_with_spread(inside)
    together = np.sqrt(((answers - truth) ** 2).mean(axis=0)) / scale
    alone = [np.sqrt(((member.predict(inside) - truth) ** 2).mean(axis=0)) / scale for member in model.members]
    for name, one, mean in zip(QUANTITIES, np.mean(alone, axis=0), together, strict=True):
        print(f"{name:13} error {one:.2%} of its spread with one network, {mean:.2%} with the mean of five")
    doubt = [(found["std"] / scale).mean() for found in (spread, model.predict_with_spread(outside)[1])]
    print(f"the networks disagree by {doubt[0]:.2%} where they were trained, by {doubt[1]:.2%} outside")


if __name__ == "__main__":
    main()
