"""Cubic splines by SciPy, CubicSpline with its not-a-knot ends, for cubic_splines.json: points, positions inside and outside
of them, values and slopes there. `python cubic_splines.py OUT.json`
"""
import json
import sys

import numpy as np
from scipy.interpolate import CubicSpline

splines = []
for n in (2, 3, 4, 9):
    rng = np.random.default_rng(n)
    xp = np.cumsum(rng.uniform(0.3, 1.5, n))
    fp = np.sin(xp) + rng.normal(0, 0.3, n)
    x = np.linspace(xp[0] - 0.5, xp[-1] + 0.7, 23)
    spline = CubicSpline(xp, fp)
    splines.append(dict(xp=xp.tolist(), fp=fp.tolist(), x=x.tolist(), value=spline(x).tolist(), slope=spline(x, 1).tolist()))
with open(sys.argv[1], 'w') as out:
    json.dump(splines, out, indent=1)
