"""The models of tools/bench in JAX, under one jit, and in multigrad: a worker that answers as worker.cpp does.

`python peers.py MODEL ROWS` makes the model and then answers requests, a line each on standard input, with a line of
numbers: `values WHO`, or `time WHO COUNT`, where WHO is `jax` or `multigrad`.
"""
import sys
import time

import jax
import jax.numpy as jnp
import multigrad
import numpy as np
from jax.scipy.special import erf

jax.config.update("jax_enable_x64", True)


class Smf:
    params = [-1.9, 0.3]
    edges = np.linspace(9, 10, 11)
    target = np.array([0.023, 0.017, 0.0116, 0.0071, 0.0037, 0.0017, 0.00063, 0.00019, 4.7e-5, 9.2e-6])

    def columns(self, u, v):
        return {"log_mass": 10 - np.log10(1 - 0.95 * u)}

    def sumstats(self, p, rows):
        mean = p[0] + rows["log_mass"]
        cdf = 0.5 * (1 + erf((self.edges - mean[:, None]) / (np.sqrt(2) * p[1])))
        return jnp.sum(jnp.diff(cdf, axis=1), axis=0) / (2000 * np.diff(self.edges))

    def loss(self, s, p):
        return jnp.mean((jnp.log10(s + 1e-10) - np.log10(self.target)) ** 2)


class Gama:
    params = [11.59, np.log10(0.0351), 1.376, 0.608, np.log10(0.15)]

    def columns(self, u, v):
        lines = [line for line in open("examples/data/gama_smf.csv") if line[0].isdigit()]
        log_mstar, self.phi, self.error = np.loadtxt(lines, delimiter=",").T
        self.edges = log_mstar[0] + 0.2 * (np.arange(len(log_mstar) + 1) - 0.5)
        self.phi_of_one = 1e3 * 0.05 / len(u) / 0.2
        return {"log_mass": 10.5 - np.log10(1 - (1 - 1e-5) * u)}

    def sumstats(self, p, rows):
        x = rows["log_mass"] - p[0]
        ratio = jnp.log10(10 ** (-p[2] * x) + 10 ** (p[3] * x))
        log_mstar = rows["log_mass"] + np.log10(2) + p[1] - ratio
        cdf = 0.5 * (1 + erf((self.edges - log_mstar[:, None]) / (np.sqrt(2) * 10 ** p[4])))
        return self.phi_of_one * jnp.diff(jnp.sum(cdf, axis=0))

    def loss(self, s, p):
        return 0.5 * jnp.sum(((s - self.phi) / self.error) ** 2) + 0.5 * ((p[4] - np.log10(0.15)) / 0.1) ** 2


class Hod:
    params = [12.2, 0.35, 12.4, 13.3, 1.1]
    edges = np.array([11.0, 12.0, 13.0, 15.0])

    def columns(self, u, v):
        return {"log_mass": 11 + 4 * u, "weight": 0.5 + 1.5 * v}

    def sumstats(self, p, rows):
        log_mass = rows["log_mass"]
        central = 0.5 * (1 + erf((log_mass - p[0]) / p[1]))
        excess = (10**log_mass - 10 ** p[2]) / 10 ** p[3]
        above = excess > 0
        satellites = central * jnp.where(above, jnp.where(above, excess, 1.0) ** p[4], 0.0)
        inside = (log_mass[:, None] >= self.edges[:-1]) & (log_mass[:, None] < self.edges[1:])
        per_bin = lambda x: jnp.sum(jnp.where(inside, (rows["weight"] * x)[:, None], 0.0), axis=0)
        return jnp.concatenate([per_bin(central), per_bin(satellites)])

    def loss(self, s, p):
        return jnp.sum((s - 20) ** 2 / (20 + s))


class TwoStage:
    params = [0.8, 0.2]

    def columns(self, u, v):
        return {"x": 0.3 + 1.2 * normal(u, v)}

    def sumstats(self, p, rows):
        y = jnp.sinh(p[0] * rows["x"]) + p[1] * rows["x"] ** 2
        mean = jnp.mean(y)
        sigma = jnp.sqrt(jnp.mean((y - mean) ** 2))
        tail = jnp.sum(jax.nn.sigmoid(4 * (jnp.abs(y - mean) / sigma - 2)))
        return jnp.stack([mean, sigma, tail])

    def loss(self, s, p):
        return (s[0] - 0.1) ** 2 + (s[1] - 1.5) ** 2 + (s[2] / 10 - 0.5) ** 2


class MassFit:
    params = [5.281, 0.031, -1.9, 0.28]
    low, high = 5.0, 6.0

    def columns(self, u, v):
        tail = self.low + np.log(1 + (u - 0.3) / 0.7 * (np.exp(-2.0) - 1)) / -2.0
        return {"mass": np.where(u < 0.3, 5.28 + 0.03 * normal(np.minimum(u, 0.3) / 0.3, v), tail)}

    def sumstats(self, p, rows):
        mu, sigma, slope, fraction = p
        cdf = lambda x: erf((x - mu) / (np.sqrt(2) * sigma))
        peak_norm = sigma * np.sqrt(0.5 * np.pi) * (cdf(self.high) - cdf(self.low))
        peak = jnp.exp(-0.5 * ((rows["mass"] - mu) / sigma) ** 2) / peak_norm
        tail_norm = (jnp.exp(slope * (self.high - self.low)) - 1) / slope
        tail = jnp.exp(slope * (rows["mass"] - self.low)) / tail_norm
        self.rows = len(rows["mass"])
        return jnp.sum(jnp.log(fraction * peak + (1 - fraction) * tail))

    def loss(self, s, p):
        return -s / self.rows


MODELS = {"smf": Smf, "gama": Gama, "hod": Hod, "twostage": TwoStage, "massfit": MassFit}


def normal(u, v):
    return np.sqrt(-2 * np.log(u)) * np.cos(2 * np.pi * v)


def spread(rows, irrational):
    return np.fmod((np.arange(rows) + 1.0) * irrational, 1.0)


def contestants(name, size):
    """Each a function without arguments that returns loss and gradient."""
    model = MODELS[name]()
    rows = model.columns(spread(size, 0.6180339887498949), spread(size, 0.7548776662466927))
    rows = {key: jnp.asarray(column) for key, column in rows.items()}
    params = jnp.asarray(model.params)
    jitted = jax.jit(jax.value_and_grad(lambda p, columns: model.loss(model.sumstats(p, columns), p)))

    class Multigrad(multigrad.OnePointModel):
        def calc_partial_sumstats_from_params(self, p, randkey=None):
            return model.sumstats(p, self.aux_data)

        def calc_loss_from_sumstats(self, s, sumstats_aux=None, randkey=None):
            return model.loss(s, params)

    found = {"jax": lambda: jax.block_until_ready(jitted(params, rows))}
    peer = Multigrad(aux_data=rows)
    found["multigrad"] = lambda: jax.block_until_ready(peer.calc_loss_and_grad_from_params(params))
    return found


def main():
    who = contestants(sys.argv[1], int(sys.argv[2]))
    for line in sys.stdin:
        verb, name, *count = line.split()
        run, count = who[name], int(count[0]) if count else 1
        if verb == "values":
            loss, gradient = run()
            print(float(loss), *map(float, gradient), flush=True)
            continue
        if count > 1:
            run()
        start, processor_start = time.perf_counter(), time.process_time()
        for _ in range(count):
            run()
        print((time.perf_counter() - start) / count, (time.process_time() - processor_start) / count, flush=True)


if __name__ == "__main__":
    main()
