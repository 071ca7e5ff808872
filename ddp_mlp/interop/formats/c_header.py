"""C: one header with the weights and a function that needs nothing but the C library's ``math.h``.

Constants are hexadecimal, so that every compiler reads the same bits.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddp_mlp import __version__
from ddp_mlp.interop.format import Format
from ddp_mlp.interop.formats.c_compiled import compiled_answers
from ddp_mlp.interop.formats.c_units import ACTIVATIONS, OUTPUTS
from ddp_mlp.interop.portable import Layer, Portable, units

#: Numbers that a compiler takes in seconds, and values that fit on a stack.
_MOST_PARAMETERS, _MOST_VALUES = 2**22, 2**15
_PER_LINE = 6
#: Characters that mean themselves in a literal: no quotes, no backslash, nothing of a trigraph.
_SAFE = set(string.ascii_letters + string.digits + " !#$%&'()*+,-./:;<=>@[]^_`{|}~")
#: Units that leave a value as it is.
_LINEAR_UNITS = {"identity", "maxout"}
_LINEAR = """static void PREFIX_linear(const T *h, T *a, const T *weight, const T *bias, int n_in, int width)
{
  int i, c;
  for (c = 0; c < width; c++) a[c] = bias[c];
  for (i = 0; i < n_in; i++)
    for (c = 0; c < width; c++) a[c] += h[i] * weight[(long)i * width + c];
}
"""
_LARGEST = """static void PREFIX_largest(T *a, int n_units, int pieces)
{
  int j, c;
  for (j = 1; j < pieces; j++)
    for (c = 0; c < n_units; c++)
      if (a[j * n_units + c] > a[c] || a[j * n_units + c] != a[j * n_units + c]) a[c] = a[j * n_units + c];
}
"""


def prefix_of(stem: str) -> str:
    """Return the name with which all names of a header begin, from that of its file."""
    name = re.sub(r"[^0-9A-Za-z_]", "_", stem).strip("_") or "model"
    return name if name[0].isalpha() else f"model_{name}"


def _text(value: str) -> str:
    """Return a text as a literal of C, whatever is in it."""
    encoded = value.encode("utf-8", "replace")
    return '"' + "".join(chr(b) if chr(b) in _SAFE else f"\\{b:03o}" for b in encoded) + '"'


def _number(value: Any, ending: str) -> str:
    """Return a number as a literal of C, to the bit."""
    mantissa, _, exponent = float(value).hex().partition("p")
    return f"{mantissa.rstrip('0').rstrip('.')}p{exponent}{ending}"


def _array(kind: str, name: str, values: NDArray[Any]) -> str:
    """Return the definition of an array of constants."""
    ending = "f" if kind == "float" else ""
    numbers = [_number(value, ending) for value in values.ravel().tolist()]
    lines = [", ".join(numbers[i : i + _PER_LINE]) for i in range(0, len(numbers), _PER_LINE)]
    return f"static const {kind} {name}[{len(numbers)}] = {{\n  " + ",\n  ".join(lines) + "\n};\n"


def image(model: Portable, stem: str) -> bytes:
    """Return the bytes of a header."""
    prefix = prefix_of(stem)
    parts = [_declarations(model, prefix), *_tables(model, prefix), *_functions(model, prefix)]
    parts.append(_predict(model, prefix))
    if model.schema.classes:
        parts.append(_class(model, prefix))
    return "\n".join([*parts, f"#endif /* {prefix.upper()}_IMPLEMENTATION */\n"]).encode()


def _declarations(model: Portable, prefix: str) -> str:
    """Return the part that each file which includes the header sees."""
    schema, upper = model.schema, prefix.upper()
    sizes = {"N_FEATURES": schema.n_features, "N_OUTPUTS": schema.n_outputs}
    sizes |= {"N_CLASSES": len(schema.classes)} if schema.classes else {}
    gap = "a missing value is NAN" if model.fill is not None else "a value that is NAN makes the outputs NAN"
    lines = [
        f"/* A network trained by ddp-mlp {__version__}. One file of the program says",
        f"     #define {upper}_IMPLEMENTATION",
        "   before it includes this; link it with -lm. Do not compile that file with -ffast-math, which has no NAN.",
        f"   `features` has {upper}_N_FEATURES values as in the data, in the order of {prefix}_feature_names;",
        f"   {gap}. `outputs` gets {upper}_N_OUTPUTS values: {_outputs_text(model)}. */",
        f"#ifndef {upper}_H",
        f"#define {upper}_H",
        *(f"#define {upper}_{name} {size}" for name, size in sizes.items()),
        "#ifdef __cplusplus",
        'extern "C" {',
        "#endif",
        f"void {prefix}_predict(const double *features, double *outputs);",
        *(f"extern const char *const {prefix}_{name}[{len(values)}];" for name, values in _texts(model).items()),
    ]
    if schema.classes:
        lines.append(f"int {prefix}_class(const double *outputs); /* of the outputs of a row; -1 where they are NAN */")
    lines += ["#ifdef __cplusplus", "}", "#endif", f"#endif /* {upper}_H */", ""]
    lines += [f"#if defined({upper}_IMPLEMENTATION) && !defined({upper}_IMPLEMENTED)", f"#define {upper}_IMPLEMENTED"]
    return "\n".join([*lines, "#include <math.h>", ""])


def _outputs_text(model: Portable) -> str:
    if model.schema.task == "regression":
        return "quantities" + (" in the units of the data" if model.targets is not None else ", as they were trained")
    if not model.has_probabilities:
        return "the score of the second class"
    return "the probability of the second class" if model.schema.task == "binary" else "the probability of each class"


def _texts(model: Portable) -> dict[str, tuple[str, ...]]:
    """Return the tables of texts by name."""
    schema, unit = model.schema, units(model.schema)
    names = schema.feature_names or tuple(f"feature{i}" for i in range(schema.n_features))
    found = {"feature_names": names, "feature_units": tuple(unit.get(name, "") for name in names)}
    if schema.classes:
        return found | {"class_names": schema.classes}
    return found | {"target_names": schema.targets, "target_units": schema.target_units or ("",) * schema.n_outputs}


def _kind(model: Portable) -> str:
    return "float" if model.dtype == np.float32 else "double"


def _tables(model: Portable, prefix: str) -> Iterator[str]:
    """Yield the constants: texts, what normalises, weights."""
    for name, values in _texts(model).items():
        yield f"const char *const {prefix}_{name}[{len(values)}] = {{\n  " + ",\n  ".join(map(_text, values)) + "\n};\n"
    affine = {"input": model.inputs, "target": model.targets}
    for name, each in affine.items():
        if each is not None:
            yield _array("double", f"{prefix}_{name}_offset", each.offset)
            yield _array("double", f"{prefix}_{name}_scale", each.scale)
    if model.fill is not None:
        yield _array("double", f"{prefix}_fill", model.fill)
    for k, layer in enumerate(model.layers):
        yield _array(_kind(model), f"{prefix}_weight{k}", layer.weight)
        yield _array(_kind(model), f"{prefix}_bias{k}", layer.bias)


def _functions(model: Portable, prefix: str) -> Iterator[str]:
    """Yield the functions of layers, activations and the output unit that the network has."""
    kind = _kind(model)

    def typed(code: str) -> str:
        return code.replace("@", "f" if kind == "float" else "").replace("T ", f"{kind} ").replace("(T)", f"({kind})")

    yield typed(_LINEAR.replace("PREFIX", prefix))
    if any(layer.pieces > 1 for layer in model.layers):
        yield typed(_LARGEST.replace("PREFIX", prefix))
    for name in dict.fromkeys(layer.activation for layer in model.layers if layer.activation not in _LINEAR_UNITS):
        yield typed(f"static T {prefix}_{name}(T a, T p)\n{{\n  (void)p;\n  {ACTIVATIONS[name]}\n}}\n")
    yield typed(f"static void {prefix}_output(T *h, int n)\n{{\n  {OUTPUTS[model.output]}\n}}\n")


def _predict(model: Portable, prefix: str) -> str:
    kind, upper = _kind(model), prefix.upper()
    most = max(max(layer.n_in, layer.weight.shape[1]) for layer in model.layers)
    value = "features[i]" if model.fill is None else f"(features[i] != features[i] ? {prefix}_fill[i] : features[i])"
    if model.inputs is not None:
        value = f"({value} - {prefix}_input_offset[i]) * {prefix}_input_scale[i]"
    lines = [
        f"void {prefix}_predict(const double *features, double *outputs)",
        "{",
        "  int i;",
        f"  {kind} h[{most}], a[{most}];",
        f"  for (i = 0; i < {upper}_N_FEATURES; i++) h[i] = ({kind})({value});",
    ]
    for k, layer in enumerate(model.layers):
        lines += _layer_calls(k, layer, prefix, kind)
    back = "h[i]"
    if model.targets is not None:
        back = f"h[i] / {prefix}_target_scale[i] + {prefix}_target_offset[i]"
    lines += [
        f"  {prefix}_output(h, {upper}_N_OUTPUTS);",
        f"  for (i = 0; i < {upper}_N_OUTPUTS; i++) outputs[i] = {back};",
        "}\n",
    ]
    return "\n".join(lines)


def _layer_calls(k: int, layer: Layer, prefix: str, kind: str) -> Iterator[str]:
    yield f"  {prefix}_linear(h, a, {prefix}_weight{k}, {prefix}_bias{k}, {layer.n_in}, {layer.weight.shape[1]});"
    if layer.pieces > 1:
        yield f"  {prefix}_largest(a, {layer.n_out}, {layer.pieces});"
    value = "a[i]"
    if layer.activation not in _LINEAR_UNITS:
        value = f"{prefix}_{layer.activation}(a[i], {_number(layer.parameter, 'f' if kind == 'float' else '')})"
    yield f"  for (i = 0; i < {layer.n_out}; i++) h[i] = {value};"


def _class(model: Portable, prefix: str) -> str:
    lines = [f"int {prefix}_class(const double *outputs)", "{"]
    if model.schema.task == "binary":
        lines.append(f"  return outputs[0] != outputs[0] ? -1 : outputs[0] > {_number(model.threshold, '')};")
    else:
        lines += [
            "  int i, best = 0;",
            "  if (outputs[0] != outputs[0]) return -1;",
            f"  for (i = 1; i < {prefix.upper()}_N_OUTPUTS; i++) if (outputs[i] > outputs[best]) best = i;",
            "  return best;",
        ]
    return "\n".join([*lines, "}\n"])


def _objection(model: Portable) -> str:
    widest = max(max(layer.n_in, layer.weight.shape[1]) for layer in model.layers)
    if model.n_parameters > _MOST_PARAMETERS or widest > _MOST_VALUES:
        return (
            f"a C header is for networks of up to {_MOST_PARAMETERS:,} weights and {_MOST_VALUES:,} values of a layer, "
            f"not {model.n_parameters:,} and {widest:,}"
        )
    return ""


FORMAT = Format("c", ".h", image, compiled_answers, _objection)
