"""Writes tests/fixtures/architectures.safetensors and .json: GPT-2's blocks, BERT and an LSTM on tiny examples.

    python3 tests/reference/architectures.py

As make.py, beside which it stands: float64, deterministic, checked before it is written. Written from Radford et al.
(2019, section 2.3), Devlin et al. (2018, section 3.1) and PyTorch's own LSTM, and not from the kit's source.

Letters at line ends: N sequences, W batch width, d model width, H heads, V BPE tokens, u units.
"""

import functools
import math

import numpy as np
import torch
import torch.nn.functional as F

import gpt1
import make
from gpt1 import Dropout
from make import BATCHES, CONFIG, COEFFICIENT, DROPOUT, EXTRACT, START, single, store

MASK = START  # pre-training uses none of the special tokens
UNITS = (12, CONFIG.width)


def parameters():
    random = np.random.RandomState(11)
    normal = lambda deviation, *shape: single(deviation * random.standard_normal(shape))  # noqa: E731
    d = CONFIG.width

    def affine(name, rows, columns):
        return {f"{name}.weight": normal(0.3, rows, columns), f"{name}.bias": normal(0.1, columns)}

    def norm(name):
        return {f"{name}.weight": 1 + normal(0.1, d), f"{name}.bias": normal(0.1, d)}

    def transformer(final):
        p = {"tokens_embed.weight": normal(0.5, CONFIG.vocabulary + gpt1.SPECIALS, d)}
        p |= {"positions_embed.weight": normal(0.3, CONFIG.context, d)}
        for i in range(CONFIG.layers):
            p |= affine(f"h.{i}.attn.c_attn", d, 3 * d) | affine(f"h.{i}.attn.c_proj", d, d) | norm(f"h.{i}.ln_1")
            p |= affine(f"h.{i}.mlp.c_fc", d, 4 * d) | affine(f"h.{i}.mlp.c_proj", 4 * d, d) | norm(f"h.{i}.ln_2")
        return p | (norm("ln_f") if final else {}) | affine("clf", d, 3)

    def lstm(u):
        p = {"tokens_embed.weight": normal(0.5, CONFIG.vocabulary + gpt1.SPECIALS, d)}
        p |= affine("lstm.gates", d + u, 4 * u)
        return p | (affine("lstm.proj", u, d) if u != d else {}) | affine("clf", d, 3)

    found = {"gpt2": transformer(True), "bert": transformer(False)} | {f"lstm-{u}": lstm(u) for u in UNITS}
    return {name: {k: single(x) for k, x in p.items()} for name, p in found.items()}


SETS = parameters()


def masked_batch():
    """Sequences of unlike lengths with the mask at some places, a random token or the token itself at others."""
    texts = [[3, 0, 7, 7, 12, 5, 1, 9, 2], [8, 4, 10, 0, 6], [11, 3]]
    places = {(0, 1): MASK, (0, 4): 6, (0, 8): MASK, (1, 2): 10, (2, 0): MASK}
    batch = make.batch("lm", texts, [], 9)
    ids = batch["ids"].clone()
    for (n, t), token in places.items():
        ids[n, t] = token
    at = torch.tensor([n * 9 + t for n, t in places])
    return {**batch, "task": "masked", "ids": ids, "positions": at, "tokens": batch["ids"].reshape(-1)[at]}


ALL = {**{name: BATCHES[name] for name in ("lm", "classification")}, "masked": masked_batch()}


# ---- Models ----


def affine(p, name, x):
    return x @ p[f"{name}.weight"] + p[f"{name}.bias"]


def norm(p, name, x):
    return gpt1.layer_norm(x, p[f"{name}.weight"], p[f"{name}.bias"], CONFIG.epsilon)


def attention(p, name, x, seen, layer, drop, config, positions, both):
    """`seen` is (N or 1, 1, W or 1, W): which keys a query sees."""
    n, w, d = x.shape
    heads = lambda y: y.reshape(n, w, config.heads, d // config.heads).transpose(1, 2)  # noqa: E731
    q, k, v = (heads(y) for y in affine(p, f"{name}.c_attn", x).split(d, dim=2))  # (N, H, W, d/H) each
    scores = gpt1.scores(p, q, k, positions, both).masked_fill(~seen, -math.inf)  # (N, H, W, W)
    a = drop(torch.softmax(scores, dim=3), Dropout.probabilities(layer)) @ v  # (N, H, W, d/H)
    return drop(affine(p, f"{name}.c_proj", a.transpose(1, 2).reshape(n, w, d)), Dropout.attention(layer))  # (N, W, d)


def mlp(p, name, x, layer, drop):
    return drop(affine(p, f"{name}.c_proj", gpt1.gelu(affine(p, f"{name}.c_fc", x))), Dropout.mlp(layer))


def transformer(p, batch, kind, drop, config=CONFIG, positions="learned"):
    ids, lengths = batch["ids"], batch["lengths"]
    w = ids.shape[1]
    x = p["tokens_embed.weight"][ids]  # (N, W, d)
    if positions not in gpt1.IN_ATTENTION:
        x = x + p["positions_embed.weight"][:w]
    x = drop(x, Dropout.embedding())
    attend = functools.partial(attention, drop=drop, config=config, positions=positions, both=kind == "bert")
    if kind == "bert":
        seen = (torch.arange(w) < lengths[:, None])[:, None, None]  # (N, 1, 1, W): no padding
        for i in range(config.layers):
            x = norm(p, f"h.{i}.ln_1", x + attend(p, f"h.{i}.attn", x, seen, i))
            x = norm(p, f"h.{i}.ln_2", x + mlp(p, f"h.{i}.mlp", x, i, drop))
        return x
    seen = torch.ones(w, w, dtype=torch.bool).tril()[None, None]  # (1, 1, W, W)
    for i in range(config.layers):  # "layer normalization was moved to the input of each sub-block"
        x = x + attend(p, f"h.{i}.attn", norm(p, f"h.{i}.ln_1", x), seen, i)
        x = x + mlp(p, f"h.{i}.mlp", norm(p, f"h.{i}.ln_2", x), i, drop)
    return norm(p, "ln_f", x)  # "and an additional layer normalization was added after the final"


def lstm(p, batch, drop):
    d, u = CONFIG.width, p["lstm.gates.bias"].shape[0] // 4
    x = drop(p["tokens_embed.weight"][batch["ids"]] * math.sqrt(d), 0)  # (N, W, d)
    w = p["lstm.gates.weight"]  # input, forget, candidate, output side by side
    h = c = torch.zeros(len(x), u, dtype=x.dtype)
    states = []
    for t in range(x.shape[1]):
        i, f, g, o = (torch.cat([x[:, t], h], 1) @ w + p["lstm.gates.bias"]).split(u, dim=1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        states.append(h)
    y = torch.stack(states, 1)  # (N, W, u)
    return drop(affine(p, "lstm.proj", y) if u != d else y, 2)  # (N, W, d)


def losses(p, batch, kind, coefficient, drop=Dropout(), **other):
    """`other` is what a transformer has unlike here: its config, its kind of positions."""
    h = lstm(p, batch, drop) if kind == "lstm" else transformer(p, batch, kind, drop, **other)
    table = p["tokens_embed.weight"]
    if batch["task"] == "masked":
        logits = h.flatten(0, 1)[batch["positions"]] @ table.T
        return {"h": h, "loss": gpt1.cross_entropy(logits, batch["tokens"]).mean()}
    l1 = gpt1.language_loss(h, table, batch["ids"], batch["lengths"])
    if batch["task"] == "lm":
        return {"h": h, "L1": l1, "loss": l1}
    site = Dropout.classifier(0 if kind == "lstm" else CONFIG.layers)
    state = drop(h[torch.arange(len(h)), batch["extract"]], site)  # (N, d)
    l2 = gpt1.cross_entropy(affine(p, "clf", state), batch["labels"]).mean()
    loss = l2 if coefficient == 0 else l2 + coefficient * l1
    return {"h": h, "L2": l2, "loss": loss} | ({} if coefficient == 0 else {"L1": l1})


def gradients(p, batch, kind, coefficient, drop, **other):
    names = [name for name in p if batch["task"] == "classification" or not name.startswith("clf")]
    q = {name: x.detach().clone().requires_grad_(name in names) for name, x in p.items()}
    result = losses(q, batch, kind, coefficient, drop, **other)
    found = torch.autograd.grad(result["loss"], [q[name] for name in names])
    return {k: x.detach() for k, x in result.items()}, dict(zip(names, found))


# ---- Checks ----


def check_states(p, batch, kind, h):
    """The same from PyTorch's own building blocks, without dropout; states of padding are nobody's."""
    d, ids = CONFIG.width, batch["ids"]
    real = torch.arange(ids.shape[1]) < batch["lengths"][:, None]  # (N, W)
    if kind == "lstm":
        u = p["lstm.gates.bias"].shape[0] // 4
        own = torch.nn.LSTM(d, u, batch_first=True)
        with torch.no_grad():
            own.weight_ih_l0.copy_(p["lstm.gates.weight"][:d].T)
            own.weight_hh_l0.copy_(p["lstm.gates.weight"][d:].T)
            own.bias_ih_l0.copy_(p["lstm.gates.bias"])
            own.bias_hh_l0.zero_()
            y = own(p["tokens_embed.weight"][ids] * math.sqrt(d))[0]
        expected = affine(p, "lstm.proj", y) if u != d else y
    else:
        layer = torch.nn.TransformerEncoderLayer(
            d, CONFIG.heads, 4 * d, 0, lambda x: F.gelu(x, approximate="tanh"), batch_first=True, norm_first=kind == "gpt2"
        )
        x = p["tokens_embed.weight"][ids] + p["positions_embed.weight"][: ids.shape[1]]
        for i in range(CONFIG.layers):
            own = {
                "self_attn.in_proj_weight": p[f"h.{i}.attn.c_attn.weight"].T,
                "self_attn.in_proj_bias": p[f"h.{i}.attn.c_attn.bias"],
                "self_attn.out_proj.weight": p[f"h.{i}.attn.c_proj.weight"].T,
                "self_attn.out_proj.bias": p[f"h.{i}.attn.c_proj.bias"],
            }
            for theirs, ours in (("linear1", "mlp.c_fc"), ("linear2", "mlp.c_proj"), ("norm1", "ln_1"), ("norm2", "ln_2")):
                weight = p[f"h.{i}.{ours}.weight"]
                own[f"{theirs}.weight"] = weight.T if weight.dim() == 2 else weight
                own[f"{theirs}.bias"] = p[f"h.{i}.{ours}.bias"]
            layer.load_state_dict(own)
            later = torch.ones(ids.shape[1], ids.shape[1], dtype=torch.bool).triu(1)
            masks = {"src_key_padding_mask": ~real} if kind == "bert" else {"src_mask": later}
            x = layer(x, **masks)
        expected = norm(p, "ln_f", x) if kind == "gpt2" else x
    torch.testing.assert_close(h[real], expected.detach()[real], rtol=1e-10, atol=1e-11)


def check_gradients(p, batch, kind, coefficient, drop, grads, **other):
    random, step = np.random.RandomState(2), 1e-5
    for name, g in grads.items():
        for _ in range(2):
            at, ends = tuple(random.randint(n) for n in g.shape), []
            for sign in (1, -1):
                q = {**p, name: p[name].clone()}
                q[name][at] += sign * step
                ends.append(float(losses(q, batch, kind, coefficient, drop, **other)["loss"]))
            numeric = (ends[0] - ends[1]) / (2 * step)
            assert abs(numeric - float(g[at])) < 1e-8 + 1e-6 * abs(numeric), (kind, name, at, numeric, float(g[at]))


# ---- Writing ----


def case(model, task, drop):
    kind = model.split("-")[0]
    coefficient = 0 if kind == "bert" else COEFFICIENT
    p, batch = SETS[model], ALL[task]
    result, grads = gradients(p, batch, kind, coefficient, drop)
    check_gradients(p, batch, kind, coefficient, drop, grads)
    prefix = f"{'dropped' if drop.rate else 'whole'}/{model}/{task}/"
    if drop.rate == 0:
        check_states(p, batch, kind, result["h"])
        real = torch.arange(batch["ids"].shape[1]) < batch["lengths"][:, None]
        store(prefix + "hidden", result["h"] * real[..., None])
    for name, g in grads.items():
        store(prefix + name, g)
    numbers = {k: float(result[k]) for k in ("L1", "L2", "loss") if k in result}
    units = {"units": int(model.split("-")[1])} if kind == "lstm" else {}
    about = {"architecture": kind, **units, "task": task, "lambda": coefficient, "dropped": drop.rate > 0}
    return {**about, **numbers, "parameters": f"params/{model}/", "found": prefix}


def main():
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    for model, p in SETS.items():
        for name, x in p.items():
            store(f"params/{model}/{name}", x)
    tasks = {"gpt2": ("lm", "classification"), "bert": ("masked", "classification")}
    cases = [
        case(model, task, drop)
        for model in SETS
        for task in tasks.get(model, ("lm", "classification"))
        for drop in (Dropout(), DROPOUT)
    ]
    about = {
        "about": "Written by tests/reference/architectures.py; tensors are in architectures.safetensors",
        "config": {k: getattr(CONFIG, k) for k in ("vocabulary", "width", "heads", "layers", "context")},
        "extract": EXTRACT,
        "dropout": {"rate": DROPOUT.rate, "seed": DROPOUT.seed, "update": DROPOUT.update},
        "batches": {
            task: {k: v if isinstance(v, str) else v.tolist() for k, v in b.items()} for task, b in ALL.items()
        },
        "cases": cases,
    }
    make.write_safetensors(make.FIXTURES / "architectures.safetensors")
    (make.FIXTURES / "architectures.json").write_text(make.compact(about) + "\n")
    for path in sorted(make.FIXTURES.glob("architectures.*")):
        print(path.name, path.stat().st_size)
    print(len(make.tensors), "tensors,", len(cases), "cases")


if __name__ == "__main__":
    main()
