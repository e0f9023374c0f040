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


def triweight_cdf(z):
    t = jnp.clip(z / 3, -1, 1)
    return 0.5 + t * (35 - t**2 * (35 - t**2 * (21 - 5 * t**2))) / 32


def soft_histogram(x, weights, edges, width):
    cdf = triweight_cdf((edges - x[:, None]) / width)
    return jnp.sum(weights[:, None] * jnp.diff(cdf, axis=1), axis=0)


class Poisson:
    params = [0.1, -0.1, 0.1, -0.5, 0.3]
    x_edges, y_edges = np.linspace(-2, 2, 5), np.linspace(-1.5, 1.5, 4)
    observed = np.array([3.0, 8, 4, 7, 21, 9, 6, 19, 8, 2, 9, 3])

    def columns(self, u, v):
        return {"x": 0.8 * normal(u, v), "y": 0.6 * normal(v, u)}

    def sumstats(self, p, rows):
        x, y = rows["x"] * jnp.exp(p[2]) + p[0], rows["y"] + p[1] + p[4] * jnp.sin(rows["x"])
        weight = jax.nn.softplus(p[3] + 0.5 * x)
        in_x = jnp.diff(jax.nn.sigmoid((self.x_edges - x[:, None]) / 0.1), axis=1)
        in_y = jnp.diff(jax.nn.sigmoid((self.y_edges - y[:, None]) / 0.1), axis=1)
        return jnp.einsum("i,ia,ib->ab", weight, in_x, in_y).reshape(-1)

    def loss(self, s, p):
        clipped = jnp.clip(s, 1e-12)
        return jnp.sum(clipped - self.observed * jnp.log(clipped))


class Growth:
    params = [2.5, 0.2, 0.3, -0.05, 0.4, 0.05, -1.3, 12.0, 0.8, -0.9, 0.25, -1.5]
    t = np.linspace(0.5, 13.8, 20)
    edges = np.linspace(8.5, 11.7, 9)

    def columns(self, u, v):
        return {"log_mass": 11 + 3 * u, "weight": 0.5 + 1.5 * v, "log_tq": 0.5 + 0.7 * np.fmod(u + v, 1)}

    def sumstats(self, p, rows):
        lgt, lgt0 = np.log10(self.t), np.log10(13.8)
        m0 = rows["log_mass"][:, None]
        early, late, lgtc = (p[k] + p[k + 1] * (m0 - 12) for k in (0, 2, 4))
        alpha = early + (late - early) * jax.nn.sigmoid(3.5 * (lgt - lgtc))
        logm = m0 + alpha * (lgt - lgt0)
        slope = p[8] + (p[9] - p[8]) * jax.nn.sigmoid(4.0 * (logm - p[7]))
        log_eff = p[6] + slope * (logm - p[7])
        quench = p[11] * triweight_cdf((lgt - rows["log_tq"][:, None]) / p[10])
        sfr = 0.16 * 10 ** (logm + log_eff + quench - 9.0)
        log_mstar = jnp.log10(1e9 * jnp.trapezoid(sfr, self.t, axis=1) + 1.0)
        log_ssfr = jnp.log10(1e9 * sfr[:, -1] + 1.0) - log_mstar
        count = soft_histogram(log_mstar, rows["weight"], self.edges, 0.15)
        return jnp.concatenate([count, soft_histogram(log_mstar, rows["weight"] * log_ssfr, self.edges, 0.15)])

    def loss(self, s, p):
        n = s[:8] + 1e-3
        return jnp.mean((jnp.log10(n) - 0.7) ** 2) + 0.1 * jnp.mean((s[8:] / n + 1.0) ** 2)


class Photometry:
    params = [-0.3, 0.2, 0.8, -0.6, 0.3, 0.25]
    lg_age, lg_met, z_table = np.linspace(-3, 1.1, 10), np.linspace(-2, 0.5, 6), np.linspace(0.0, 2.0, 5)
    mag_edges = np.linspace(17, 27, 7)
    z, met, age, band = np.meshgrid(z_table, lg_met, lg_age, np.arange(3.0), indexing="ij")
    table = 22 + 2.2 * np.log1p(z) + 0.9 * age + 0.35 * met * (1 + 0.2 * band) + 0.4 * np.cos(band + age) - 0.3 * band * z

    def columns(self, u, v):
        return {"redshift": 0.05 + 1.9 * u, "log_mstar": 0.6 * normal(u, v)}

    def sumstats(self, p, rows):
        ms, z = rows["log_mstar"], rows["redshift"]
        age_w = jax.nn.softmax(-0.5 * ((self.lg_age - p[0] - p[1] * ms[:, None]) / p[2]) ** 2, axis=1)
        met_edges = np.concatenate([[-10.0], 0.5 * (self.lg_met[1:] + self.lg_met[:-1]), [10.0]])
        met_mid = p[3] + p[4] * ms
        met_w = jnp.diff(triweight_cdf((met_edges - met_mid[:, None]) / p[5]), axis=1)
        cell = jnp.clip(jnp.searchsorted(self.z_table, z, side="right") - 1, 0, 3)
        u = ((z - jnp.asarray(self.z_table)[cell]) / (self.z_table[1] - self.z_table[0]))[:, None, None, None]
        table = jnp.asarray(self.table)
        mag_cell = (1 - u) * table[cell] + u * table[cell + 1]
        flux = jnp.einsum("im,ia,imab->ib", met_w, age_w, 10 ** (-0.4 * (mag_cell - 22)))
        mag = 22 - 2.5 * jnp.log10(flux) - 2.5 * ms[:, None]
        return jnp.concatenate([soft_histogram(mag[:, b], jnp.ones_like(z), self.mag_edges, 0.3) for b in range(3)])

    def loss(self, s, p):
        return jnp.mean((jnp.sqrt(s + 0.1) - 1.5) ** 2)


class Kernels:
    params = [0.1, -0.1, 0.2, 0.9, 1.1, 0.8, 0.4]
    centers = np.array([[0.0, 0, 0], [0.5, -0.5, 0.2], [-0.8, 0.3, 0.6], [0.1, 0.9, -0.7]])
    waves = np.array([[1.0, 0.3, -0.2], [-0.4, 1.2, 0.5], [0.2, -0.3, 1.6]])

    def columns(self, u, v):
        return {"x": normal(u, v), "y": normal(v, u), "z": normal(np.fmod(u + v, 1), u)}

    def sumstats(self, p, rows):
        x = p[0] + p[3] * rows["x"]
        y = p[1] + p[4] * rows["y"] + p[6] * x
        z = p[2] + p[5] * rows["z"] * jnp.exp(-0.1 * x**2)
        pts = jnp.stack([x, y, z], axis=1)
        weight = jax.nn.sigmoid(y)
        dist2 = jnp.sum((pts[:, None, :] - self.centers[None]) ** 2, axis=2)
        kernel = jnp.sum(weight[:, None] * jnp.exp(-0.5 * dist2 / 0.49), axis=0)
        phase = pts @ self.waves.T
        return jnp.concatenate([kernel, jnp.sum(weight[:, None] * jnp.cos(phase), 0),
                                jnp.sum(weight[:, None] * jnp.sin(phase), 0)])

    def loss(self, s, p):
        return jnp.sum((s[:4] - 8.0) ** 2 / (s[:4] + 1)) + jnp.sum(s[4:] ** 2) / 40


class Histogram:
    params = [0.1, -0.2]
    bins = 100000

    def columns(self, u, v):
        self.expected = len(u) / self.bins
        return {"x": u, "bin": np.floor(self.bins * v).astype(np.int32)}

    def sumstats(self, p, rows):
        return jnp.zeros(self.bins).at[rows["bin"]].add(jnp.exp(p[0] + p[1] * rows["x"]))

    def loss(self, s, p):
        return jnp.mean((s - self.expected) ** 2)


class Logistic:
    params = [*(0.1 * np.sin(np.arange(20.0))), 0.1]

    def columns(self, u, v):
        self.rows = len(u)
        turn = np.arange(20.0)
        features = np.cos(turn + 6 * u[:, None] + turn * v[:, None])
        return {"features": features, "sign": np.where(u + 0.3 * v < 0.6, -1.0, 1.0)}

    def sumstats(self, p, rows):
        score = rows["features"] @ p[:-1] + p[-1]
        return jnp.sum(jnp.log1p(jnp.exp(-score * rows["sign"])))

    def loss(self, s, p):
        return s / self.rows


class Mixture:
    params = [-2.0, -1.0, 0.0, 1.0, 2.0, -0.5, -0.4, -0.3, -0.2, -0.1, 0.1, 0.2, 0.3, 0.2, 0.1]

    def columns(self, u, v):
        self.rows = len(u)
        return {"x": normal(u, v) + np.floor(5 * v) - 2}

    def sumstats(self, p, rows):
        mean, log_width, logit = p.reshape(3, 5)
        z = (rows["x"][:, None] - mean) / jnp.exp(log_width)
        return jnp.sum(jax.nn.logsumexp(jax.nn.log_softmax(logit) - log_width - 0.5 * z**2, axis=1))

    def loss(self, s, p):
        return -s / self.rows


MODELS = {"smf": Smf, "gama": Gama, "hod": Hod, "twostage": TwoStage, "massfit": MassFit, "poisson": Poisson,
          "growth": Growth, "photometry": Photometry, "kernels": Kernels, "histogram": Histogram, "logistic": Logistic,
          "mixture": Mixture}


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
