"""Anomalies by an autoencoder that has seen sound machines only: rows that it cannot rebuild are suspicious.

    python anomalies.py

Expect that more than nine of ten faults are found at one false alarm in a hundred, though each sensor on its own stays
in its usual range.
"""

from pathlib import Path

import numpy as np

import ddp_mlp

HERE = Path(__file__).parent
SENSORS = 12


def readings(rows: int, random: np.random.Generator) -> np.ndarray:
    """Return what twelve sensors say of machines whose speed, load and temperature vary."""
    mix = np.random.default_rng(7).normal(size=(2, 3, SENSORS))
    state = random.normal(size=(rows, 3))
    return state @ mix[0] + 0.3 * np.tanh(state @ mix[1]) + 0.05 * random.normal(size=(rows, SENSORS))


def main() -> None:
    """Train on sound machines, and let some sensors of others tell of another machine."""
    random = np.random.default_rng(0)
    sound, faulty = readings(1000, random), readings(1000, random)
    faulty[:, :3] = readings(1000, random)[:, :3]  # in their usual range, but not with the others

    config = ddp_mlp.Config.from_toml(HERE / "anomalies.toml")
    model = ddp_mlp.train(config, data=readings(5000, random), out="runs/anomalies", overwrite=True).model

    def doubt(rows: np.ndarray) -> np.ndarray:
        return ((model.predict(rows) - rows) ** 2).mean(axis=1)

    alarm = np.quantile(doubt(sound), 0.99)
    found = (doubt(faulty) > alarm).mean()
    print(f"alarm above {alarm:.4f}: {found:.1%} of the faults are found, 1 % of the sound rows are false alarms")


if __name__ == "__main__":
    main()
