"""A request names the files that the command line would take."""

from __future__ import annotations

from pathlib import Path

import pytest

from ddp_mlp.service.client.requests import request_of


@pytest.mark.parametrize("named", ["d.h5", "~/d.h5", "d.h5:/g"])
def test_paths_of_a_configuration_and_of_set_are_written_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "d.h5").touch()
    config = tmp_path / "c.toml"
    config.write_text(f'[data]\ntrain = "{named}"\n')
    written_out = f"{tmp_path}/{named.removeprefix('~/')}"
    assert request_of(config, ())["overrides"] == {"data.train": written_out}
    assert request_of(config, (f"data.valid={named}",))["overrides"]["data.valid"] == written_out


@pytest.mark.parametrize("named", ["not-here.h5", "~nobody-of-that-name/d.h5", ""])
def test_other_paths_are_left_to_the_service(tmp_path: Path, named: str) -> None:
    config = tmp_path / "c.toml"
    config.write_text(f'[data]\ntrain = "{named}"\n')
    assert request_of(config, ("train.seed=3",))["overrides"] == {"train.seed": 3}
