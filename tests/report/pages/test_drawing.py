"""Pictures stay within their frame, whatever the numbers."""

from __future__ import annotations

import re

import numpy as np
import pytest

from ddp_mlp.report.pages.drawing import Shape, picture


@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12])
def test_shapes_lie_within_the_frame(rng, scale):
    x, y = rng.normal(size=50) * scale, rng.normal(size=50) * scale
    bars = Shape("bars", "c", np.linspace(x.min(), x.max(), 11), np.arange(10.0) * scale)
    made = picture("t", "x", "y", [Shape("line", "a", x, y), Shape("points", "b", x, y), bars])
    for tag in re.findall(r'd="(M[^"]+)" class="(?:line|points)', made):
        pairs = np.array([part.split() for part in re.findall(r"[\d.]+ [\d.]+", tag)], float)
        assert pairs.min() >= 0
        assert pairs[:, 0].max() <= 420
        assert pairs[:, 1].max() <= 300
    assert made.count("<text") > 6
    assert made.count("<li>") == 3


@pytest.mark.parametrize("values", [[0.0], [5.0, 5.0], [np.nan, 1.0], [np.inf, -np.inf], []])
def test_numbers_without_an_extent_are_drawn(values):
    x = np.array(values)
    made = picture("t", "x", "<y>", [Shape("points", "a", x, x)])
    assert "nan" not in made
    assert "inf" not in made
    assert "&lt;y&gt;" in made


def test_axes_far_from_zero_are_counted_from_their_first_number_on(rng):
    x = 1.7e9 + rng.normal(size=50) * 100
    made = picture("Parity", "true", "answer", [Shape("points", "a", x, x)])
    texts = re.findall(r"<text[^>]*>([^<]+)</text>", made)
    assert max(len(text) for text in texts if text.lstrip("-").isdecimal()) <= 4
    assert sum(text.startswith(("true, from 1 69", "answer, from 1 69")) for text in texts) == 2, texts
    assert "from" not in picture("t", "x", "y", [Shape("points", "a", x - 1.7e9, x - 1.7e9)])
