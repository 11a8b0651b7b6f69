"""What NumPy makes of NaN, infinities, zeros of both signs and subnormals, in f32: writes nonfinite.txt beside this file.

python3 tests/golden/nonfinite.py        (computed with NumPy 2.4.6)

A line is `op | input | input -> output`. An input is one number for elementwise ops, four along an axis for the others.
"""
import itertools
import os
import numpy as np

np.seterr(all="ignore")
f32 = np.float32
TINY = f32(1e-40)
HUGE = f32(3e38)
SPECIAL = [f32("nan"), f32("inf"), f32("-inf"), f32(0.0), f32(-0.0), TINY, -TINY, HUGE, -HUGE, f32(1.5), f32(-1.5)]
lines = []


def text(x):
    if isinstance(x, (bool, np.bool_)):
        return "1" if x else "0"
    x = float(x)
    if np.isnan(x):
        return "nan"
    if np.isinf(x):
        return "inf" if x > 0 else "-inf"
    return "%.9g" % x


def emit(op, inputs, outputs):
    join = lambda row: " ".join(text(x) for x in np.atleast_1d(row))
    lines.append("%s | %s -> %s" % (op, " | ".join(join(x) for x in inputs), join(outputs)))


unary = {
    "neg": np.negative, "abs": np.abs, "sign": np.sign, "floor": np.floor, "ceil": np.ceil, "round": np.round, "exp": np.exp,
    "expm1": np.expm1, "log": np.log, "log1p": np.log1p, "sqrt": np.sqrt, "rsqrt": lambda x: f32(1) / np.sqrt(x),
    "reciprocal": np.reciprocal, "square": np.square, "sin": np.sin, "cos": np.cos, "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, f32(0)), "clamp": lambda x: np.clip(x, f32(-1), f32(1)), "is_nan": np.isnan,
    "is_finite": np.isfinite, "add_scalar": lambda x: x + f32(1.5), "mul_scalar": lambda x: x * f32(2),
    "pow_scalar_2": lambda x: np.power(x, f32(2)),
    "pow_scalar_minus_1": lambda x: np.power(x, f32(-1)), "pow_scalar_0": lambda x: np.power(x, f32(0)), "detach": lambda x: x,
}
for op, f in unary.items():
    for x in SPECIAL:
        # sin and cos of huge numbers are not promised.
        if op in ("sin", "cos") and abs(x) == HUGE:
            continue
        emit(op, [x], f(x))

binary = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide, "pow": np.power, "maximum": np.maximum,
    "minimum": np.minimum, "eq": np.equal, "ne": np.not_equal, "lt": np.less, "le": np.less_equal, "gt": np.greater,
    "ge": np.greater_equal, "where_true": lambda a, b: np.where(True, a, b), "where_false": lambda a, b: np.where(False, a, b),
}
for op, f in binary.items():
    for a, b in itertools.product(SPECIAL, SPECIAL):
        emit(op, [a, b], f(a, b))

N, I, Z, S = f32("nan"), f32("inf"), f32(-0.0), TINY
ROWS = [
    [1, N, 2, -3], [N, N, 1, 2], [1, I, 2, -3], [1, -I, 2, -3], [I, -I, 1, 2], [I, I, 1, 2], [-I, -I, -I, -I], [I, N, -I, 0],
    [0, 0, 0, 0], [Z, Z, Z, Z], [S, S, S, S], [2, S, -S, 1], [HUGE, HUGE, -HUGE, 1], [1, 2, 3, I], [N, N, N, N],
]


def softmax(x):
    e = np.exp(x - np.max(x))
    return e / np.sum(e)


def log_softmax(x):
    d = x - np.max(x)
    return d - np.log(np.sum(np.exp(d)))


axis = {
    "sum": np.sum, "mean": np.mean, "prod": np.prod, "max": np.max, "min": np.min, "argmax": np.argmax, "argmin": np.argmin,
    "var": np.var, "l1_norm": lambda x: np.sum(np.abs(x)), "cumsum": np.cumsum, "cumprod": np.cumprod, "sort": np.sort,
    "argsort": lambda x: np.argsort(x, kind="stable"), "softmax": softmax, "log_softmax": log_softmax,
    "matmul_ones": lambda x: x @ np.ones(4, f32), "matmul_zeros": lambda x: np.sum(x * np.zeros(4, f32)), "flip": np.flip,
    "avg_pool": lambda x: np.array([np.mean(x[:2]), np.mean(x[2:])]), "max_pool": lambda x: np.array([np.max(x[:2]), np.max(x[2:])]),
    "conv_ones": lambda x: np.convolve(x, np.ones(2, f32), "valid"), "gather": lambda x: x[[3, 0]],
    "mse_zero": lambda x: np.mean(np.square(x)),
}
for op, f in axis.items():
    for row in ROWS:
        x = np.array(row, f32)
        # What overflows on the way depends on the order of summation.
        if op in ("matmul_ones", "matmul_zeros", "sum", "mean") and abs(x[1]) == HUGE:
            continue
        emit(op, [x], f(x).astype(f32) if hasattr(f(x), "astype") else f(x))

with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "nonfinite.txt"), "w") as out:
    out.write("\n".join(lines) + "\n")
print(len(lines), "lines")
