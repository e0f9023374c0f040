"""Values and first derivatives of elementwise functions from arithmetic with 60 digits (mpmath), for elementwise.json:
what operators.json lacks, and more points, into the tails.

Each entry: name, points [n, operands], value [n], derivative [n, operands] (null where an operator has none); double
precision, correctly rounded. `python elementwise.py OUT.json`
"""
import json
import random
import sys

import mpmath as mp

mp.mp.dps = 60
random.seed(7)
inf = mp.inf


def between(low, high, count=24):
    return [random.uniform(low, high) for _ in range(count)]


def decades(low, high, count=24):
    return [10.0 ** random.uniform(low, high) for _ in range(count)]


def signed(points):
    return points + [-x for x in points]


def pairs(first, second):
    return list(zip(first, second))


pi, e = mp.pi, mp.exp
root_2 = mp.sqrt(2)
norm_pdf = lambda x: e(-x * x / 2) / mp.sqrt(2 * pi)
norm_cdf = lambda x: mp.erfc(-x / root_2) / 2
erfcx = lambda x: e(x * x) * mp.erfc(x)


def erfcx_derivative(x):
    if x < 1e6:
        return 2 * x * erfcx(x) - 2 / mp.sqrt(pi)
    t = 1 / (2 * x * x)  # where 60 digits cancel, by the asymptotic series
    return -2 * t / mp.sqrt(pi) * (1 - 3 * t + 15 * t**2 - 105 * t**3 + 945 * t**4)


sigmoid = lambda x: 1 / (1 + e(-x))


def norm_ppf(p):
    x = mp.mpf(0) if p == 0.5 else mp.sign(p - 0.5) * mp.sqrt(-2 * mp.log(min(p, 1 - p)))
    for _ in range(200):
        step = (norm_cdf(x) - p) / norm_pdf(x)
        x -= step / (1 + x * step / 2)
        if abs(step) <= abs(x) * mp.mpf(10) ** -50:
            break
    return x


def erfinv(y):
    return norm_ppf((y + 1) / 2) / root_2


# name: value, derivative by each operand (None where there is none), points
UNARY = {
    "cube": (lambda x: x**3, lambda x: 3 * x * x, signed(decades(-90, 90))),
    "reciprocal": (lambda x: 1 / x, lambda x: -1 / x**2, signed(decades(-150, 150))),
    "sqrt": (mp.sqrt, lambda x: 1 / (2 * mp.sqrt(x)), decades(-300, 300)),
    "cbrt": (lambda x: mp.sign(x) * mp.cbrt(abs(x)), lambda x: 1 / (3 * mp.cbrt(abs(x)) ** 2), signed(decades(-300, 300))),
    "exp": (e, e, between(-700, 709)),
    "exp2": (lambda x: mp.mpf(2) ** x, lambda x: mp.log(2) * mp.mpf(2) ** x, between(-1000, 1020)),
    "exp10": (lambda x: mp.mpf(10) ** x, lambda x: mp.log(10) * mp.mpf(10) ** x, between(-300, 307) + between(-3, 3)),
    "expm1": (mp.expm1, e, between(-40, 700) + signed(decades(-300, 0))),
    "log": (mp.log, lambda x: 1 / x, decades(-300, 300) + between(0.9, 1.1)),
    "log2": (lambda x: mp.log(x) / mp.log(2), lambda x: 1 / (x * mp.log(2)), decades(-300, 300) + between(0.9, 1.1)),
    "log10": (lambda x: mp.log(x) / mp.log(10), lambda x: 1 / (x * mp.log(10)), decades(-300, 300) + between(0.9, 1.1)),
    "log1p": (mp.log1p, lambda x: 1 / (1 + x), between(-0.999, 1) + decades(-300, 300)),
    "sin": (mp.sin, mp.cos, between(-1e4, 1e4)),
    "cos": (mp.cos, lambda x: -mp.sin(x), between(-1e4, 1e4)),
    "tan": (mp.tan, lambda x: 1 + mp.tan(x) ** 2, between(-100, 100) + signed(decades(-300, 0))),
    "asin": (mp.asin, lambda x: 1 / mp.sqrt(1 - x * x), between(-1, 1) + [1 - d for d in decades(-14, -2, 12)]),
    "acos": (mp.acos, lambda x: -1 / mp.sqrt(1 - x * x), between(-1, 1) + [1 - d for d in decades(-14, -2, 12)]),
    "atan": (mp.atan, lambda x: 1 / (1 + x * x), signed(decades(-300, 150))),
    "sinh": (mp.sinh, mp.cosh, between(-700, 700) + signed(decades(-300, 1))),
    "cosh": (mp.cosh, mp.sinh, between(-700, 700) + signed(decades(-2, 1))),
    "tanh": (mp.tanh, lambda x: mp.sech(x) ** 2, between(-300, 300) + signed(decades(-100, 1))),
    "asinh": (mp.asinh, lambda x: 1 / mp.hypot(1, x), signed(decades(-300, 300))),
    "acosh": (mp.acosh, lambda x: 1 / (mp.sqrt(x - 1) * mp.sqrt(x + 1)), [1 + d for d in decades(-14, 2)] + decades(2, 300)),
    "atanh": (mp.atanh, lambda x: 1 / ((1 - x) * (1 + x)), between(-1, 1) + [1 - d for d in decades(-14, -2, 12)]),
    "erf": (mp.erf, lambda x: 2 / mp.sqrt(pi) * e(-x * x), between(-26, 26) + signed(decades(-300, 0))),
    "erfc": (mp.erfc, lambda x: -2 / mp.sqrt(pi) * e(-x * x), between(-26, 26) + decades(-300, 1)),
    "erfcx": (erfcx, erfcx_derivative, between(-26, 26) + between(0, 3) + decades(0, 150)),
    "erfcx_derivative": (erfcx_derivative, lambda x: 2 * erfcx(x) + 2 * x * erfcx_derivative(x), between(-26, 26) + between(0, 3) + decades(0, 5)),
    "norm_pdf": (norm_pdf, lambda x: -x * norm_pdf(x), between(-37, 37)),
    "norm_cdf": (norm_cdf, norm_pdf, between(-37, 37) + between(-3, 3)),
    "log_norm_cdf": (lambda x: mp.log1p(-norm_cdf(-x)) if x > 0 else mp.log(norm_cdf(x)),
                     lambda x: norm_pdf(x) / norm_cdf(x), between(-100, 37) + between(-3, 3)),
    "norm_ppf": (norm_ppf, lambda p: 1 / norm_pdf(norm_ppf(p)), between(0, 1) + decades(-280, -2) + [1 - d for d in decades(-15, -2, 12)]),
    "erfinv": (erfinv, lambda y: mp.sqrt(pi) / 2 * e(erfinv(y) ** 2), between(-1, 1) + [1 - d for d in decades(-15, -2, 12)]),
    "sigmoid": (sigmoid, lambda x: sigmoid(x) * sigmoid(-x), between(-700, 700) + between(-5, 5)),
    "softplus": (lambda x: mp.log1p(e(x)), sigmoid, between(-700, 700) + between(-5, 5)),
    "log_sigmoid": (lambda x: -mp.log1p(e(-x)), lambda x: sigmoid(-x), between(-700, 700) + between(-5, 5)),
    "lgamma": (lambda x: mp.log(abs(mp.gamma(x))), mp.digamma, decades(-10, 10) + between(0.5, 4)),
    "digamma": (mp.digamma, lambda x: mp.polygamma(1, x), decades(-10, 10) + between(0.5, 4)),
}
P = lambda a, x: mp.gammainc(a, 0, x, regularized=True)
Q = lambda a, x: mp.gammainc(a, x, inf, regularized=True)
gamma_pdf = lambda a, x: e((a - 1) * mp.log(x) - x - mp.loggamma(a))
shapes = decades(-2, 4, 40)
near = [a * random.uniform(0.5, 2) for a in shapes]
wide = [abs(a + 30 * random.gauss(0, 1) * a**0.5) + 1e-3 for a in shapes]
gamma_points = pairs(shapes, near) + [(a, x) for a, x in pairs(shapes, wide) if a < 300]
xs, ys = signed(decades(-3, 3)), [x * (-1) ** i for i, x in enumerate(decades(-3, 3, 48))]
BINARY = {
    "divide": (lambda x, y: x / y, [lambda x, y: 1 / y, lambda x, y: -x / y**2], pairs(xs, ys)),
    "pow": (lambda x, y: x**y, [lambda x, y: y * x ** (y - 1), lambda x, y: x**y * mp.log(x)],
            pairs(decades(-5, 5), between(-50, 50)) + pairs(between(0.5, 2), between(-300, 300))),
    "hypot": (mp.hypot, [lambda x, y: x / mp.hypot(x, y), lambda x, y: y / mp.hypot(x, y)],
              pairs(xs, ys) + pairs(decades(-150, 150), decades(-150, 150)) + [(3e200, -4e200), (3e-200, 4e-200)]),
    "atan2": (mp.atan2, [lambda x, y: y / (x * x + y * y), lambda x, y: -x / (x * x + y * y)],
              pairs(xs, ys) + [(3e200, -4e200), (3e-200, 4e-200)]),
    "fmod": (lambda x, y: mp.sign(x) * (abs(x) % abs(y)), [lambda x, y: mp.mpf(1), lambda x, y: -mp.sign(x * y) * mp.floor(abs(x / y))], pairs(xs, ys)),
    "logaddexp": (lambda x, y: mp.log(e(x) + e(y)), [lambda x, y: sigmoid(x - y), lambda x, y: sigmoid(y - x)],
                  pairs(between(-300, 300), between(-300, 300)) + pairs(between(-2, 2), between(-2, 2))),
    "xlogy": (lambda x, y: x * mp.log(y), [lambda x, y: mp.log(y), lambda x, y: x / y], pairs(xs, decades(-100, 100, 48))),
    "xlog1py": (lambda x, y: x * mp.log1p(y), [lambda x, y: mp.log1p(y), lambda x, y: x / (1 + y)],
                pairs(xs, between(-0.999, 1) + decades(-100, 100))),
    "polygamma": (mp.polygamma, [None, lambda n, x: mp.polygamma(n + 1, x)],
                  pairs([float(n) for n in range(1, 5)] * 8, decades(-2, 3, 32))),
    "gammainc": (P, [None, gamma_pdf], gamma_points),
    "gammaincc": (Q, [None, lambda a, x: -gamma_pdf(a, x)], gamma_points),
    "gammainc_derivative": (gamma_pdf, [lambda a, x: gamma_pdf(a, x) * (mp.log(x) - mp.digamma(a)),
                                        lambda a, x: gamma_pdf(a, x) * ((a - 1) / x - 1)], gamma_points),
}
power_points = pairs(decades(-5, 5), between(-50, 50)) + pairs(between(0.5, 2), between(-300, 300))
TERNARY = {  # whose third operand is the power of the others
    "power_below": (lambda x, y, z: x ** (y - 1), [lambda x, y, z: (y - 1) * x ** (y - 2),
                                                   lambda x, y, z: x ** (y - 1) * mp.log(x), lambda x, y, z: mp.mpf(0)],
                    [(x, y, x**y) for x, y in power_points]),
}
integer = {"polygamma"}  # whose first operand counts


def ordinary(number):
    return number is None or number == 0.0 or 1e-290 < abs(number) < 1e300


def entry(name, value, derivatives, points):
    result = {"name": name, "points": [], "value": [], "derivative": []}
    for point in points:
        exact = [int(x) if k == 0 and name in integer else mp.mpf(x) for k, x in enumerate(point)]
        numbers = [float(value(*exact))] + [None if d is None else float(d(*exact)) for d in derivatives]
        if not all(map(ordinary, numbers)):
            continue
        result["points"].append([float(x) for x in point])
        result["value"].append(numbers[0])
        result["derivative"].append(numbers[1:])
    return result


entries = [entry(n, f, [d], [(x,) for x in xs]) for n, (f, d, xs) in UNARY.items()]
entries += [entry(n, f, ds, xs) for n, (f, ds, xs) in (BINARY | TERNARY).items()]
with open(sys.argv[1], "w") as out:
    out.write("[\n" + ",\n".join(json.dumps(each) for each in entries) + "\n]\n")
print(len(entries), "operators,", sum(len(each["points"]) for each in entries), "points")
