"""Makes sandwich.json: the robust covariance of weighted least squares, by NumPy.

Rows t = 0 ... 39 with x = sin(1.7 t), y = 0.5 - 1.3 x + 0.3 cos(5.1 t) and weights w = 1 + 0.9 sin(0.37 t). For y = a + b x,
as in White 1980 (Econometrica 48, 817) with weights: (X^T W X)^-1 (X^T W diag(r^2) W X) (X^T W X)^-1.
"""
import json
import os

import numpy as np

t = np.arange(40.0)
x = np.sin(1.7 * t)
y = 0.5 - 1.3 * x + 0.3 * np.cos(5.1 * t)
w = 1.0 + 0.9 * np.sin(0.37 * t)
X = np.stack([np.ones_like(x), x], axis=1)
bread = np.linalg.inv(X.T @ (w[:, None] * X))
best = bread @ (X.T @ (w * y))
r = X @ best - y
meat = X.T @ ((w * r)[:, None] ** 2 * X)
covariance = bread @ meat @ bread
path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "sandwich.json")
with open(path, "w") as file:
    json.dump({"best": best.tolist(), "covariance": covariance.ravel().tolist()}, file, indent=1)
    file.write("\n")
