"""Activations and output units as functions of C; ``T`` is float or double, ``@`` ends the names of its functions."""

from __future__ import annotations

_SIGMOID = "T e = exp@(-fabs@(a)); return (a >= 0 ? 1 : e) / (1 + e);"
_STEP = "return a > 0 ? 1 : a <= 0 ? 0 : a;"

#: Bodies of ``T name(T a, T p)``; NaN stays NaN.
ACTIVATIONS: dict[str, str] = {
    "identity": "return a;",
    "sigmoid": _SIGMOID,
    "tanh": "return tanh@(a);",
    "relu": "return a < 0 ? 0 : a;",
    "arctan": "return atan@(a);",
    "leaky_relu": "return a < 0 ? p * a : a;",
    "elu": "return a > 0 ? a : p * expm1@(a);",
    "softplus": "return (a < 0 ? 0 : a) + log1p@(exp@(-fabs@(a)));",
    "maxout": "return a;",
    "step": _STEP,
}
_EACH = "int i; for (i = 0; i < n; i++) {{ T a = h[i]; h[i] = {value}; }}"
#: Bodies of ``void output(T *h, int n)``.
OUTPUTS: dict[str, str] = {
    "linear": "(void)h; (void)n;",
    "sigmoid": _EACH.format(value="(a >= 0 ? 1 : exp@(-fabs@(a))) / (1 + exp@(-fabs@(a)))"),
    "softmax": "int i; T most = h[0], sum = 0; for (i = 1; i < n; i++) if (h[i] > most) most = h[i]; "
    "for (i = 0; i < n; i++) { h[i] = exp@(h[i] - most); sum += h[i]; } for (i = 0; i < n; i++) h[i] /= sum;",
    "step": _EACH.format(value="a > 0 ? (T)1 : a <= 0 ? (T)0 : a"),
}
