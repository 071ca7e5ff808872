"""Write detector.h5 as experiments do: one compound array of tracks, below groups for year and run."""

import h5py
import numpy as np

TRACK = np.dtype(
    [("event", "i8"), ("momentum", "f4"), ("loss", "f4"), ("time", "f4"), ("weight", "f4"), ("kind", "u1")]
)
MASSES = np.array([0.1396, 0.4937, 0.9383])  # of pion, kaon and proton in GeV


def main() -> None:
    """Draw tracks of three kinds; energy loss and time of flight depend on their speed."""
    random = np.random.default_rng(3)
    tracks = np.zeros(9000, TRACK)
    tracks["event"] = np.arange(9000) // 6
    tracks["kind"] = random.choice(3, 9000, p=[0.6, 0.25, 0.15])
    tracks["momentum"] = random.uniform(0.3, 2.5, 9000)
    speed = tracks["momentum"] / np.hypot(tracks["momentum"], MASSES[tracks["kind"]])
    tracks["loss"] = 1.5 / speed**2 * random.normal(1, 0.08, 9000)
    tracks["time"] = 6.7 / speed + random.normal(0, 0.15, 9000)  # ns over 2 m
    tracks["weight"] = random.uniform(0.5, 1.5, 9000)
    with h5py.File("detector.h5", "w") as file:
        run = file.create_group("2026/run7")
        run.create_dataset("tracks", data=tracks, compression="gzip")
        run.attrs["beam"] = "test"


if __name__ == "__main__":
    main()
