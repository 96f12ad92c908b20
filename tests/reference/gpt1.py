"""GPT-1 in PyTorch, as a second opinion on the kit: model, losses, dropout masks, optimiser.

Written from the paper (Radford, Narasimhan, Salimans and Sutskever, 2018; "P" below) and from a description of OpenAI's
fine-tuning code (openai/finetune-transformer-lm; "T" is its train.py, "O" its opt.py), and not from the kit's source.
Slow and plain on purpose. A model is a dictionary of tensors, named as Hugging Face names them, kernels stored [in, out].

Letters at line ends: N sequences, W batch width, d model width, H heads, s head size, V BPE tokens, T context,
R softmax rows.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch

KINDS = ("learned", "sinusoidal", "sinusoidal-trained", "random-frozen", "none")
TRAINED_POSITIONS = ("learned", "sinusoidal-trained")
IN_ATTENTION = ("rotary", "alibi", "relative")  # nothing is added to the embeddings; every block's scores change
VARIANTS = ("paper", "clean")
TASKS = ("lm", "classification", "entailment", "similarity", "choice")
SCHEDULES = ("warmup_linear", "warmup_cosine", "warmup_constant")
SPECIALS = 3  # start, delimiter, extract: rows V, V+1, V+2 of the token table (T372-376)


@dataclass(frozen=True)
class Config:
    vocabulary: int  # V, without the specials
    width: int  # d
    heads: int
    layers: int
    context: int  # T
    epsilon: float = 1e-5  # T44-57


@dataclass(frozen=True)
class Arm:
    """What the experiment varies: kind and scale of the positions, and the reading of the paper."""

    positions: str  # one of KINDS or IN_ATTENTION
    variant: str  # one of VARIANTS
    scale: str = "matched"  # matched | raw | sqrt-width


# ---- Random numbers that another program can repeat: Threefry-2x32, 20 rounds (Salmon et al., 2011, section 3.3) ----

ROTATIONS = (13, 15, 26, 6, 17, 29, 16, 24)
PARITY = 0x1BD11BDA


def threefry(key, counter):
    """Two 32-bit words from a key (two words) and a counter (two words, or two arrays of words)."""
    k0, k1 = (np.asarray(k, dtype=np.uint32) for k in key)
    ks = (k0, k1, k0 ^ k1 ^ np.uint32(PARITY))
    with np.errstate(over="ignore"):  # words wrap around at 2^32
        x0 = np.asarray(counter[0], dtype=np.uint32) + ks[0]
        x1 = np.asarray(counter[1], dtype=np.uint32) + ks[1]
        for r in range(20):
            x0 = x0 + x1
            n = ROTATIONS[r % 8]
            x1 = ((x1 << np.uint32(n)) | (x1 >> np.uint32(32 - n))) ^ x0
            if r % 4 == 3:
                j = (r + 1) // 4
                x0 = x0 + ks[j % 3]
                x1 = x1 + ks[(j + 1) % 3] + np.uint32(j)
    return x0, x1


def draws(seed, update, site, count):
    """The first `count` 16-bit draws of a site: four of each block, low half before high half."""
    key = threefry((seed, 0), (update, site))
    blocks = np.arange((count + 3) // 4, dtype=np.uint32)
    x0, x1 = threefry(key, (blocks, np.zeros_like(blocks)))
    low, shift = np.uint32(0xFFFF), np.uint32(16)
    return np.stack([x0 & low, x0 >> shift, x1 & low, x1 >> shift], axis=1).reshape(-1)[:count].astype(np.int64)


def mask(seed, update, site, shape, rate):
    """A dropout mask: zero where dropped, 65536/(65536 - threshold) where kept, so that the mean stays one."""
    threshold = round(rate * 65536)
    kept = draws(seed, update, site, math.prod(shape)) >= threshold
    return kept.reshape(shape) * (65536 / (65536 - threshold))


@dataclass(frozen=True)
class Dropout:
    """All masks of one update. Rate 0.1 at every site in the paper (P section 4.1, T340-343)."""

    rate: float = 0.0
    seed: int = 0
    update: int = 0

    def __call__(self, x, site, shape=None):
        if self.rate == 0:
            return x
        shape = tuple(x.shape if shape is None else shape)
        m = mask(self.seed, self.update, site, shape, self.rate)
        return x * torch.from_numpy(m).to(x.dtype)

    # Sites: 0 the embedding, then three a layer, then the classifier.

    @staticmethod
    def embedding():
        return 0

    @staticmethod
    def probabilities(layer):
        return 1 + 3 * layer

    @staticmethod
    def attention(layer):
        return 2 + 3 * layer

    @staticmethod
    def mlp(layer):
        return 3 + 3 * layer

    @staticmethod
    def classifier(layers):
        return 1 + 3 * layers


# ---- Positions ----


def sinusoid(context, width, scale):
    """PE(p,2i) = sin(p/10000^(2i/d)), PE(p,2i+1) = cos(same); matched: times 0.02·√2, so root mean square 0.02."""
    p = np.arange(context)[:, None]  # (T, 1)
    angle = p / 10000.0 ** (np.arange(0, width, 2) / width)  # (T, d/2)
    table = np.stack([np.sin(angle), np.cos(angle)], axis=2).reshape(context, width)  # (T, d), sine and cosine in turn
    return table * (0.02 * math.sqrt(2) if scale == "matched" else 1.0)


def rotate(x):
    """Su et al. (2021), equations 15 and 34: turns adjacent pairs (2i, 2i+1) by p·10000^(-2i/s), p the place from 0."""
    w, size = x.shape[-2:]
    p = torch.arange(w, dtype=x.dtype)[:, None]  # (W, 1)
    angle = p / 10000.0 ** (torch.arange(0, size, 2, dtype=x.dtype) / size)  # (W, s/2)
    angle = angle.repeat_interleave(2, dim=1)  # (W, s)
    quarter = torch.stack([-x[..., 1::2], x[..., 0::2]], dim=-1).flatten(-2)  # each pair, a quarter turn on
    return x * torch.cos(angle) + quarter * torch.sin(angle)


def slopes(heads):
    """Press et al. (2021), section 3 and their code: 2^(-8(h+1)/H) if H is a power of two. Else those of the closest
    lower power, then every other one of twice that power."""
    power = 1 << (heads.bit_length() - 1)
    found = [2.0 ** (-8 * (h + 1) / power) for h in range(power)]
    return found if power == heads else found + slopes(2 * power)[0::2][: heads - power]


BUCKETS, LARGEST = 32, 128


def bucket(offset, both):
    """T5's bucket of an offset j - i, key's place less query's (Raffel et al., 2020, section 2.1 and their code).

    Half of the buckets are exact, the others logarithmic up to LARGEST; the last is for all beyond. Where attention is
    in both directions, each half of the buckets does so for one sign, keys after the query in the upper half, and
    bucket 16 is nobody's. A distance on the boundary of two buckets is in the higher: in both directions 8, 16, 32 and
    64, in buckets 8, 10, 12 and 14 of their half, and in one direction 16, in bucket 16. No other whole number below
    LARGEST is on a boundary, and float64 rounds none of these quotients of logarithms.
    """
    offset = np.asarray(offset)
    count = BUCKETS // 2 if both else BUCKETS
    n = abs(offset) if both else np.maximum(-offset, 0)
    exact = count // 2
    part = np.log(np.maximum(n, exact) / exact) / math.log(LARGEST / exact)  # float64; 0 at `exact`, 1 at LARGEST
    far = np.minimum(exact + np.floor(part * (count - exact)).astype(np.int64), count - 1)
    return np.where(n < exact, n, far) + (count * (offset > 0) if both else 0)


def scores(p, q, k, kind, both=False):
    """Scaled scores, before the mask, of queries and keys of shape (N, H, W, s); `both` if a query sees later keys."""
    heads, w, size = q.shape[1:]
    if kind == "rotary":
        q, k = rotate(q), rotate(k)
    found = q @ k.transpose(2, 3) / math.sqrt(size)  # (N, H, W, W); T5 does not divide, but GPT-1's block does
    places = np.arange(w)
    offset = places[None, :] - places[:, None]  # (W, W), j - i
    if kind == "alibi":
        slope = torch.tensor(slopes(heads), dtype=q.dtype)[:, None, None]  # (H, 1, 1)
        found = found + slope * torch.from_numpy(-abs(offset) if both else offset)
    if kind == "relative":  # one table for all blocks
        table = p["relative_attention_bias.weight"]  # (32, H)
        found = found + table[torch.from_numpy(bucket(offset, both))].permute(2, 0, 1)
    return found


# ---- Forward pass ----


def gelu(x):
    """The tanh form (T22-23)."""
    return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def layer_norm(x, gain, bias, epsilon):
    """Population variance, epsilon inside the root (T44-57)."""
    u = x.mean(-1, keepdim=True)
    s = ((x - u) ** 2).mean(-1, keepdim=True)
    return (x - u) / torch.sqrt(s + epsilon) * gain + bias


def embed(p, ids, arm, config, drop):
    """The input h0, and the matrix that the tied output projection uses (T149-153, T164-165, T175)."""
    tokens = p["tokens_embed.weight"]  # (V+3, d)
    rows, width = tokens.shape[0], ids.shape[1]
    # Only the first W position rows exist for a batch of width W (T378, T409: positions are cut to the width in use).
    table = arm.positions not in ("none", *IN_ATTENTION)
    positions = p["positions_embed.weight"][:width] if table else None  # (W, d)

    if arm.variant == "paper":  # one mask an update over the matrix, before lookup and shared with the output
        matrix = tokens if positions is None else torch.cat([tokens, positions])  # (V+3+W, d)
        matrix = drop(matrix, Dropout.embedding())
        tokens = matrix[:rows]
        positions = None if positions is None else matrix[rows:]

    factor = math.sqrt(config.width) if arm.scale == "sqrt-width" else 1.0  # at the input only
    h = tokens[ids] * factor  # (N, W, d)
    if positions is not None:
        h = h + positions  # every slot, padding included (T231)

    if arm.variant == "clean":
        h = drop(h, Dropout.embedding())
        output = tokens  # (V+3, d), not dropped
    else:  # all rows take part in the softmax, if position rows are parameters
        output = torch.cat([tokens, positions]) if arm.positions in TRAINED_POSITIONS else tokens
    return h, output


def attention(p, name, x, layer, kind, config, drop):
    n, w, d = x.shape
    heads, size = config.heads, d // config.heads
    c = x @ p[f"{name}.c_attn.weight"] + p[f"{name}.c_attn.bias"]  # (N, W, 3d)
    q, k, v = (y.reshape(n, w, heads, size).transpose(1, 2) for y in c.split(d, dim=2))  # (N, H, W, d/H) each
    b = torch.ones(w, w, dtype=x.dtype).tril()  # (W, W)
    masked = scores(p, q, k, kind) * b - 1e9 * (1 - b)  # (N, H, W, W), T64-69
    a = drop(torch.softmax(masked, dim=3), Dropout.probabilities(layer)) @ v  # (N, H, W, d/H)
    a = a.transpose(1, 2).reshape(n, w, d)  # (N, W, d)
    a = a @ p[f"{name}.c_proj.weight"] + p[f"{name}.c_proj.bias"]  # (N, W, d)
    return drop(a, Dropout.attention(layer))


def mlp(p, name, x, layer, drop):
    m = gelu(x @ p[f"{name}.c_fc.weight"] + p[f"{name}.c_fc.bias"])  # (N, W, 4d)
    m = m @ p[f"{name}.c_proj.weight"] + p[f"{name}.c_proj.bias"]  # (N, W, d)
    return drop(m, Dropout.mlp(layer))


def forward(p, ids, arm, config, drop=Dropout()):
    """Final hidden states (N, W, d), and the output matrix (R, d). LayerNorm comes after each sum (T140-147)."""
    h, output = embed(p, ids, arm, config, drop)
    for i in range(config.layers):
        a = attention(p, f"h.{i}.attn", h, i, arm.positions, config, drop)
        n = layer_norm(h + a, p[f"h.{i}.ln_1.weight"], p[f"h.{i}.ln_1.bias"], config.epsilon)
        m = mlp(p, f"h.{i}.mlp", n, i, drop)
        h = layer_norm(n + m, p[f"h.{i}.ln_2.weight"], p[f"h.{i}.ln_2.bias"], config.epsilon)
    return h, output


# ---- Losses (P equations 1, 4, 5; T174-207: means, to be minimised) ----


def cross_entropy(logits, targets):
    return torch.logsumexp(logits, dim=-1) - logits.gather(-1, targets[..., None])[..., 0]


def language_loss(h, output, ids, lengths):
    """L1: the mean of each sequence over its real targets, then the mean over all sequences of all examples."""
    logits = h[:, :-1] @ output.T  # (N, W-1, R)
    real = torch.arange(ids.shape[1]) < lengths[:, None]  # (N, W), specials are real tokens too (T242-243)
    m = real[:, 1:].to(h.dtype)  # (N, W-1)
    return ((cross_entropy(logits, ids[:, 1:]) * m).sum(1) / m.sum(1)).mean()


def classify(p, h, batch, config, drop=Dropout()):
    """The task head on the state at Extract (T181-193, P figure 1)."""
    n, examples = h.shape[0], len(batch["labels"])
    e = h[torch.arange(n), batch["extract"]]  # (N, d)
    e = e.reshape(examples, n // examples, -1)  # (B, sequences an example, d)
    if batch["task"] == "similarity":
        e = e.sum(1, keepdim=True)  # (B, 1, d), both orders added
    e = drop(e, Dropout.classifier(config.layers), (examples, 1, e.shape[2]))  # one mask for all choices (T185-188)
    logits = e @ p["clf.weight"] + p["clf.bias"]  # (B, choices or 1, classes)
    return logits.reshape(examples, -1)  # (B, classes), or (B, choices) as a choice has one output a sequence


def losses(p, batch, arm, config, coefficient, drop=Dropout()):
    """Everything of one batch: h, logits, L1, L2, L3 = L2 + λ·L1; `loss` is the one to minimise."""
    h, output = forward(p, batch["ids"], arm, config, drop)
    l1 = language_loss(h, output, batch["ids"], batch["lengths"])
    if batch["task"] == "lm":
        return {"h": h, "L1": l1, "loss": l1}
    logits = classify(p, h, batch, config, drop)
    l2 = cross_entropy(logits, batch["labels"]).mean()
    l3 = l2 + coefficient * l1
    return {"h": h, "logits": logits, "L1": l1, "L2": l2, "L3": l3, "loss": l3}


def trainable(p, arm, task):
    """Names of the parameters that learn: all, less a fixed table, less the head where the task has none."""
    fixed = () if arm.positions in TRAINED_POSITIONS else ("positions_embed.weight",)
    head = ("clf.weight", "clf.bias") if task == "lm" else ()
    return [name for name in p if name not in fixed + head]


def gradients(p, batch, arm, config, coefficient, drop=Dropout()):
    names = trainable(p, arm, batch["task"])
    q = {name: x.detach().clone().requires_grad_(name in names) for name, x in p.items()}
    result = losses(q, batch, arm, config, coefficient, drop)
    found = torch.autograd.grad(result["loss"], [q[name] for name in names])
    return {k: x.detach() for k, x in result.items()}, dict(zip(names, found))


def generate(p, prompt, count, arm, config):
    """Greedy continuation, of BPE tokens only (no specials, no positions); and the prompt's last logits."""
    ids, first = list(prompt), None
    for _ in range(count):
        h, _ = forward(p, torch.tensor([ids]), arm, config)
        logits = h[0, -1] @ p["tokens_embed.weight"].T  # (V+3)
        first = logits if first is None else first
        ids.append(int(logits[: config.vocabulary].argmax()))
    return ids[len(prompt) :], first


# ---- Optimiser (O5-49) ----


def schedule(name, x, warmup):
    """x is the part of the updates that is done; the cosine is not re-based after the warm-up (O5-15)."""
    if name == "warmup_linear":
        return (x / warmup if x <= warmup else 1.0) * (1 - x)
    if name == "warmup_cosine":
        return x / warmup if x <= warmup else 0.5 * (1 + math.cos(math.pi * x))
    if name == "warmup_constant":
        return x / warmup if x <= warmup else 1.0
    raise ValueError(f"no schedule {name}")


@dataclass
class Adam:
    """OpenAI's Adam (O23-49): in place, `t` counts the completed updates."""

    lr: float
    total: int
    schedule: str
    warmup: float
    b1: float = 0.9
    b2: float = 0.999
    e: float = 1e-8
    l2: float = 0.01
    max_norm: float = 1.0

    def __post_init__(self):
        self.t, self.m, self.v = 0, {}, {}

    def update(self, p, grads):
        norm = math.sqrt(sum(float((g**2).sum()) for g in grads.values()))  # one norm over all
        clip = self.max_norm / max(norm, self.max_norm)
        t = self.t
        lrt = self.lr * math.sqrt(1 - self.b2 ** (t + 1)) / (1 - self.b1 ** (t + 1))
        lrt *= schedule(self.schedule, t / self.total, self.warmup)  # the old t: zero at the first update
        for name, g in grads.items():
            g = g * clip
            m = self.m[name] = self.b1 * self.m.get(name, torch.zeros_like(g)) + (1 - self.b1) * g
            v = self.v[name] = self.b2 * self.v.get(name, torch.zeros_like(g)) + (1 - self.b2) * g**2
            step = m / (torch.sqrt(v) + self.e)  # epsilon on the raw root, before the correction in lrt
            if p[name].dim() > 1:
                step = step + self.l2 * p[name]
            p[name] = p[name] - lrt * step
        self.t += 1
        return norm
