"""Writes tests/fixtures/positions.safetensors and .json: positions that act in attention, and texts beyond the context.

    python3 tests/reference/positions.py

As make.py, beside which it stands: float64, deterministic, checked before it is written. Written from Su et al. (2021,
section 3.2.2), Press et al. (2021, section 3) and Raffel et al. (2020, section 2.1), and not from the kit's source.
Three heads, as ALiBi has a rule of its own where they are no power of two; texts long enough for T5's logarithms.

Letters at line ends: N sequences, W batch width, d model width, H heads, s head size, V BPE tokens.
"""

import json
import math
from dataclasses import replace
from itertools import groupby

import numpy as np
import torch
import torch.nn.functional as F

import architectures
import gpt1
import make
from gpt1 import BUCKETS, IN_ATTENTION, LARGEST, Arm, Dropout
from make import COEFFICIENT, DELIM, DROPOUT, EXTRACT, START, one, similar, single, store, two

CONFIG = replace(make.CONFIG, width=12, heads=3, context=48)
SEED = 54
LONG = 4 * CONFIG.context
TABLE = "relative_attention_bias.weight"
CONTINUATION = 8
NEAR = {"rtol": 1e-10, "atol": 1e-11}


# ---- Parameters: one body for all kinds ----


def parameters():
    """The seed is chosen as in make.py, and for kinds that continue a text unlike each other."""
    random = np.random.RandomState(SEED)
    normal = lambda deviation, *shape: single(deviation * random.standard_normal(shape))  # noqa: E731
    d = CONFIG.width

    def affine(name, rows, columns):
        return {f"{name}.weight": normal(0.3, rows, columns), f"{name}.bias": normal(0.1, columns)}

    def norm(name):
        return {f"{name}.weight": single(1 + 0.1 * random.standard_normal(d)), f"{name}.bias": normal(0.1, d)}

    body = {"tokens_embed.weight": normal(0.5, CONFIG.vocabulary + gpt1.SPECIALS, d)}
    for i in range(CONFIG.layers):
        body |= affine(f"h.{i}.attn.c_attn", d, 3 * d) | affine(f"h.{i}.attn.c_proj", d, d) | norm(f"h.{i}.ln_1")
        body |= affine(f"h.{i}.mlp.c_fc", d, 4 * d) | affine(f"h.{i}.mlp.c_proj", 4 * d, d) | norm(f"h.{i}.ln_2")
    return {
        "body": body,
        "positions/relative": {TABLE: normal(1, BUCKETS, CONFIG.heads)},
        "positions/sinusoidal-matched": {"positions_embed.weight": single(gpt1.sinusoid(CONFIG.context, d, "matched"))},
        "final": norm("ln_f"),
        "head/3": affine("clf", d, 3),
        "head/1": affine("clf", d, 1),
    }


SETS = parameters()


def sets_of(kind, *others):
    table = {"relative": ["positions/relative"], "sinusoidal": ["positions/sinusoidal-matched"]}
    return ["body", *table.get(kind, []), *others]


def head_of(task):
    return [] if task == "lm" else ["head/1" if task == "choice" else "head/3"]


def model(sets):
    return {name: x for s in sets for name, x in SETS[s].items()}


# ---- Batches: as in make.py, of random tokens and longer ----


def batches():
    random = np.random.RandomState(4)
    text = lambda n: random.randint(0, CONFIG.vocabulary, n).tolist()  # noqa: E731
    batch = lambda *x: make.batch(*x, context=CONFIG.context)  # noqa: E731
    stem, other = text(4), text(7)
    found = {
        "lm": batch("lm", [text(45), text(45)], [], 45),
        "classification": batch("classification", [one(text(28)), one(text(2)), one(text(17))], [2, 0, 1], 30),
        "entailment": batch("entailment", [two(text(15), text(6)), two(text(3), text(2))], [1, 2], 24),
        "similarity": batch(
            "similarity",
            [*similar(text(5), text(5)), *similar(text(1), text(6)), *similar(text(2), text(1))],
            [0, 2, 2],
            13,
        ),
        "choice": batch(
            "choice",
            [*(two(stem, text(n)) for n in (1, 5, 2)), *(two(other, text(n)) for n in (3, 1, 9))],
            [1, 0],
            19,
        ),
    }
    long = make.batch("lm", [text(LONG)], [], LONG, LONG)
    return found, long, masked_batch([text(40), text(17), text(5)]), text(12)


def masked_batch(texts):
    """BERT's objective: the mask at some places, a random token or the token itself at others."""
    places = {(0, 1): START, (0, 20): 6, (0, 39): START, (1, 2): 10, (1, 16): START, (2, 0): START}
    whole = make.batch("lm", texts, [], 40, CONFIG.context)
    ids = whole["ids"].clone()
    for (n, t), token in places.items():
        ids[n, t] = token
    at = torch.tensor([n * 40 + t for n, t in places])
    return {**whole, "task": "masked", "ids": ids, "positions": at, "tokens": whole["ids"].reshape(-1)[at]}


BATCHES, BEYOND, MASKED, PROMPT = batches()


# ---- Checks: the same by other ways ----


def exact_bucket(offset, both):
    """The definition in whole numbers: bucket E + k begins at the least n with n >= E·(LARGEST/E)^(k/E)."""
    upper = 0
    count, n = BUCKETS, -offset
    if both:
        count = BUCKETS // 2
        upper, n = (count, offset) if offset > 0 else (0, -offset)
    if n <= 0:
        return upper
    e = count // 2
    if n < e:
        return upper + n
    return upper + max(e + k for k in range(count - e) if n**e >= e ** (e - k) * LARGEST**k)


def published_bucket(offset, both):
    """T5's own way, in float32 as there."""
    count, upper = BUCKETS, torch.zeros_like(offset)
    if both:
        count //= 2
        upper, n = count * (offset > 0), offset.abs()
    else:
        n = (-offset).clamp(min=0)
    e = count // 2
    part = torch.log(n.to(torch.float32) / e) / math.log(LARGEST / e)
    return upper + torch.where(n < e, n, (e + (part * (count - e)).long()).clamp(max=count - 1))


def check_buckets():
    offsets = range(-5000, 5001)
    for both in (False, True):
        found = gpt1.bucket(np.array(offsets), both).tolist()
        assert found == [exact_bucket(o, both) for o in offsets]
        assert found == published_bucket(torch.tensor(offsets), both).tolist()
    causal = {-1: 0, 0: 0, 1: 1, 15: 15, 16: 16, 18: 16, 19: 17, 112: 30, 113: 31, 127: 31, 128: 31, 10**6: 31}
    both = {0: 0, 7: 7, 8: 8, 11: 8, 12: 9, 15: 9, 16: 10, 22: 10, 23: 11, 31: 11, 32: 12, 45: 12, 46: 13, 63: 13}
    both |= {64: 14, 90: 14, 91: 15, 127: 15, 128: 15, 10**6: 15}
    assert all(gpt1.bucket(-n, False) == b for n, b in causal.items())
    assert all(gpt1.bucket(-n, True) == b and (n == 0 or gpt1.bucket(n, True) == 16 + b) for n, b in both.items())


def check_slopes():
    assert gpt1.slopes(8) == [1 / 2, 1 / 4, 1 / 8, 1 / 16, 1 / 32, 1 / 64, 1 / 128, 1 / 256]  # the paper's example
    np.testing.assert_allclose(gpt1.slopes(16), [2 ** (-h / 2) for h in range(1, 17)], rtol=1e-15)  # and its other
    np.testing.assert_allclose(gpt1.slopes(12), gpt1.slopes(8) + [2**-0.5, 2**-1.5, 2**-2.5, 2**-3.5], rtol=1e-15)
    assert gpt1.slopes(CONFIG.heads) == [1 / 16, 1 / 256, 1 / 4]


def turn(x):
    """Rotation as a product of complex numbers: a pair is one, (re, im)."""
    w, size = x.shape[-2:]
    speed = 10000 ** (-torch.arange(0, size, 2) / size)  # (s/2)
    unit = torch.exp(1j * torch.outer(torch.arange(w), speed))  # (W, s/2)
    return torch.view_as_real(torch.view_as_complex(x.unflatten(-1, (-1, 2)).contiguous()) * unit).flatten(-2)


def check_rotation():
    random = torch.Generator().manual_seed(1)
    for size in (4, 6, 10):
        x = torch.randn(2, 3, 20, size, generator=random)
        torch.testing.assert_close(gpt1.rotate(x), turn(x), **NEAR)
        torch.testing.assert_close(gpt1.rotate(x).norm(dim=-1), x.norm(dim=-1), **NEAR)
        assert torch.equal(gpt1.rotate(x)[:, :, 0], x[:, :, 0])
        # One query and one key at all places: scores depend on i - j only, and on its sign.
        q, k = (torch.randn(1, 1, 1, size, generator=random).expand(-1, -1, 20, -1) for _ in range(2))
        s = gpt1.scores({}, q, k, "rotary")[0, 0]
        torch.testing.assert_close(s[1:, 1:], s[:-1, :-1], **NEAR)
        assert (s[0, 1:] - s[0, 0]).abs().min() > 1e-4 and (s[0, 1:] - s[1:, 0]).abs().min() > 1e-4


def check_embedding():
    """Without position rows, the paper's mask is over the token rows alone, and the softmax has no others."""
    tokens, rows = SETS["body"]["tokens_embed.weight"], CONFIG.vocabulary + gpt1.SPECIALS
    m = gpt1.mask(DROPOUT.seed, DROPOUT.update, Dropout.embedding(), (rows, CONFIG.width), DROPOUT.rate)
    dropped = tokens * torch.from_numpy(m)
    for kind in IN_ATTENTION:
        h, output = gpt1.embed(model(sets_of(kind)), BATCHES["lm"]["ids"], Arm(kind, "paper"), CONFIG, DROPOUT)
        assert torch.equal(output, dropped) and torch.equal(h, dropped[BATCHES["lm"]["ids"]])


def biases(p, kind, w, both):
    """What is added to the scores, pair by pair (H, W, W)."""
    found = torch.zeros(CONFIG.heads, w, w)
    for h, slope in enumerate((1 / 16, 1 / 256, 1 / 4)):
        for i in range(w):
            for j in range(w):
                if kind == "alibi":
                    found[h, i, j] = -slope * abs(i - j)
                if kind == "relative":
                    found[h, i, j] = p[TABLE][exact_bucket(j - i, both), h]
    return found


def states(p, b, kind, both=False, before=False):
    """The final states from PyTorch's own building blocks; `both` directions or one, norms `before` or after."""
    d, (n, w) = CONFIG.width, b["ids"].shape
    norm = lambda x, name: F.layer_norm(x, (d,), p[f"{name}.weight"], p[f"{name}.bias"], eps=1e-5)  # noqa: E731
    affine = lambda x, name: F.linear(x, p[f"{name}.weight"].T, p[f"{name}.bias"])  # noqa: E731
    real = torch.arange(w) < b["lengths"][:, None]  # (N, W)
    seen = real[:, None, None].expand(n, 1, w, w) if both else torch.ones(w, w, dtype=torch.bool).tril()
    bias = biases(p, kind, w, both).masked_fill(~seen, -math.inf)  # (N or none, H, W, W)

    def attend(x, i):
        qkv = affine(x, f"h.{i}.attn.c_attn").chunk(3, 2)
        q, k, v = (y.unflatten(2, (CONFIG.heads, -1)).transpose(1, 2) for y in qkv)
        q, k = (turn(q), turn(k)) if kind == "rotary" else (q, k)
        return affine(F.scaled_dot_product_attention(q, k, v, bias).transpose(1, 2).flatten(2), f"h.{i}.attn.c_proj")

    def think(x, i):
        return affine(F.gelu(affine(x, f"h.{i}.mlp.c_fc"), approximate="tanh"), f"h.{i}.mlp.c_proj")

    x = F.embedding(b["ids"], p["tokens_embed.weight"])
    if kind == "sinusoidal":
        x = x + p["positions_embed.weight"][:w]
    for i in range(CONFIG.layers):
        for part, ln in ((attend, f"h.{i}.ln_1"), (think, f"h.{i}.ln_2")):
            x = x + part(norm(x, ln), i) if before else norm(x + part(x, i), ln)
    return norm(x, "ln_f") if before else x


def check_result(p, b, result, h):
    """States and losses of a task."""
    torch.testing.assert_close(result["h"], h, **NEAR)
    rows = p["tokens_embed.weight"]
    each = [F.cross_entropy(x[: n - 1] @ rows.T, ids[1:n]) for x, ids, n in zip(h, b["ids"], b["lengths"])]
    torch.testing.assert_close(result["L1"], torch.stack(each).mean(), **NEAR)
    if b["task"] == "lm":
        return
    e = h[torch.arange(len(h)), b["lengths"] - 1]
    e = e[0::2] + e[1::2] if b["task"] == "similarity" else e
    logits = F.linear(e, p["clf.weight"].T, p["clf.bias"]).reshape(len(b["labels"]), -1)
    torch.testing.assert_close(result["logits"], logits, **NEAR)
    torch.testing.assert_close(result["L2"], F.cross_entropy(logits, b["labels"]), **NEAR)


# ---- What is zero by analysis ----


def unused(b, both=False):
    """Ranges of buckets that no pair of tokens with a part in the loss is in."""
    # The last state of a text predicts nothing, so no loss depends on what it sees, unless a head reads it.
    last = 1 if b["task"] == "lm" else 0
    used = set()
    for length in b["lengths"].tolist():
        places = np.arange(length - last)
        offset = places[None, :] - places[:, None]
        used |= set(gpt1.bucket(offset if both else np.minimum(offset, 0), both).reshape(-1).tolist())
    runs = groupby(range(BUCKETS), lambda x: x in used)
    return [[rows[0], rows[-1] + 1] for rows in (list(run) for free, run in runs if not free)]


def zeros(kind, b, both=False):
    d, found = CONFIG.width, []
    # As in make.py; but a rotated key's bias depends on the place, and then the scores of a query do not shift alike.
    if kind != "rotary":
        found += [{"parameter": f"h.{i}.attn.c_attn.bias", "rows": [d, 2 * d]} for i in range(CONFIG.layers)]
    if b["task"] == "choice":
        found.append({"parameter": "clf.bias", "rows": [0, 1]})
    if kind == "relative":
        found += [{"parameter": TABLE, "rows": rows} for rows in unused(b, both)]
    return found


def check_zeros(grads, expected, exactly):
    make.check_zeros(grads, expected, exactly)
    if TABLE in grads:  # the same added to all buckets is the same added to all scores
        assert grads[TABLE].sum(0).abs().max() < make.ZERO


# ---- Parts of the fixture ----


def listed(b):
    found = {k: v if isinstance(v, str) else v.tolist() for k, v in b.items()}
    return found | {"width": b["ids"].shape[1], "examples": len(b["labels"]) or len(b["ids"])}


def describe(kind, sets, **about):
    frozen = ["positions_embed.weight"] if kind == "sinusoidal" else []
    parameters = [f"params/{s}/" for s in sets]
    return {**about, "positions": kind, "scale": "matched", "parameters": parameters, "frozen": frozen}


def grad_cases(prefix, tasks, drop):
    """Without dropout, the variants do not differ: no position rows are in the softmax. Nothing is stored twice."""
    cases, kept = [], {}

    def keep(name, x):
        if name in kept:
            assert torch.equal(kept[name], x), name
        else:
            kept[name] = x
            store(name, x)
        return name

    for kind in IN_ATTENTION:
        for variant in gpt1.VARIANTS[::-1]:
            for task in tasks:
                sets, arm, b = sets_of(kind, *head_of(task)), Arm(kind, variant), BATCHES[task]
                p = model(sets)
                result, grads = gpt1.gradients(p, b, arm, CONFIG, COEFFICIENT, drop)
                make.check_gradients(p, b, arm, drop, grads, CONFIG)
                expected = zeros(kind, b)
                check_zeros(grads, expected, exactly=drop.rate == 0)
                case = {**describe(kind, sets, task=task, variant=variant), **make.numbers(result)}
                if drop.rate == 0:
                    check_result(p, b, result, states(p, b, kind))
                    for what, key in (("hidden", "h"), ("logits", "logits")):
                        if key in result:
                            case[what] = keep(f"{what}/{kind}/{task}", result[key])
                case["gradient"] = f"{prefix}/{kind}/{variant if drop.rate else 'clean'}/{task}/"
                for name, g in grads.items():
                    keep(case["gradient"] + name, g)
                cases.append({**case, "analyticallyZero": expected})
    return cases


def generation_cases():
    """Greedy. The best token leads by enough for float32 to choose it too."""
    cases = []
    for kind in IN_ATTENTION:
        p, arm, specials = model(sets_of(kind)), Arm(kind, "clean"), False
        tokens, logits = gpt1.generate(p, PROMPT, CONTINUATION, arm, CONFIG)
        for i in range(CONTINUATION):
            last = states(p, {"ids": torch.tensor([PROMPT + tokens[:i]]), "lengths": torch.tensor([99])}, kind)[0, -1]
            last = last @ p["tokens_embed.weight"].T
            best = last[: CONFIG.vocabulary].topk(2)
            assert best.indices[0] == tokens[i] and best.values[0] - best.values[1] > 1e-2, kind
            specials = specials or bool(last[CONFIG.vocabulary :].max() > best.values[0])
        assert len(set(tokens)) > 1
        store(f"generation/{kind}/logits", logits)
        about = {"prompt": PROMPT, "tokens": tokens, "logits": f"generation/{kind}/logits"}
        cases.append({**describe(kind, sets_of(kind)), **about, "specialsWouldWin": specials})
    assert any(case["specialsWouldWin"] for case in cases)
    assert len({tuple(case["tokens"]) for case in cases}) == len(cases)
    return cases


def beyond_cases():
    """Four times the context in one piece. The sinusoid's formula goes on after its table; others have no table."""
    cases = []
    for kind in ("none", "sinusoidal", *IN_ATTENTION):
        p, arm, table = model(sets_of(kind)), Arm(kind, "clean"), {}
        if kind == "sinusoidal":
            start = p["positions_embed.weight"]
            p["positions_embed.weight"] = single(gpt1.sinusoid(LONG, CONFIG.width, "matched"))
            assert torch.equal(p["positions_embed.weight"][: CONFIG.context], start)
            table = {"table": "beyond/sinusoidal/table"}
            store(table["table"], p["positions_embed.weight"])
        result = gpt1.losses(p, BEYOND, arm, CONFIG, COEFFICIENT)
        check_result(p, BEYOND, result, states(p, BEYOND, kind))
        near, _ = gpt1.forward(p, BEYOND["ids"][:, : CONFIG.context], arm, CONFIG)
        torch.testing.assert_close(result["h"][:, : CONFIG.context], near, **NEAR)  # what comes later changes nothing
        store(f"beyond/{kind}/hidden", result["h"])
        about = describe(kind, sets_of(kind), task="lm", variant="clean")
        cases.append({**about, **make.numbers(result), "hidden": f"beyond/{kind}/hidden", **table})
    return {"batch": listed(BEYOND), "cases": cases}


def bidirectional_cases():
    """BERT's blocks, masks and loss. States of padding are nobody's, so zero."""
    cases, drop = [], Dropout()
    real = torch.arange(MASKED["ids"].shape[1]) < MASKED["lengths"][:, None]  # (N, W)
    for kind in IN_ATTENTION:
        p, how = model(sets_of(kind)), {"config": CONFIG, "positions": kind}
        result, grads = architectures.gradients(p, MASKED, "bert", 0, drop, **how)
        architectures.check_gradients(p, MASKED, "bert", 0, drop, grads, **how)
        torch.testing.assert_close(result["h"][real], states(p, MASKED, kind, both=True)[real], **NEAR)
        expected = zeros(kind, MASKED, both=True)
        check_zeros(grads, expected, exactly=True)
        prefix = f"bidirectional/{kind}/"
        store(f"{prefix}hidden", result["h"] * real[..., None])
        for name, g in grads.items():
            store(f"{prefix}grad/{name}", g)
        about = describe(kind, sets_of(kind), task="masked", variant="clean")
        about |= {**make.numbers(result), "hidden": f"{prefix}hidden", "gradient": f"{prefix}grad/"}
        cases.append({**about, "analyticallyZero": expected})
    return {"batch": listed(MASKED), "cases": cases}


def prenorm_cases():
    """GPT-2's blocks, on the batch `lm`."""
    cases = []
    for kind in IN_ATTENTION:
        sets, b = sets_of(kind, "final"), BATCHES["lm"]
        p = model(sets)
        result = architectures.losses(p, b, "gpt2", COEFFICIENT, config=CONFIG, positions=kind)
        check_result(p, b, result, states(p, b, kind, before=True))
        store(f"prenorm/{kind}/hidden", result["h"])
        about = {**make.numbers(result), "hidden": f"prenorm/{kind}/hidden"}
        cases.append({**describe(kind, sets, task="lm", variant="clean"), **about})
    return {"cases": cases}


def bucket_lists():
    causal, both = np.arange(201), np.arange(-200, 201)
    return {
        "count": BUCKETS,
        "largest": LARGEST,
        "causal": {"what": "n = i - j from 0", "from": 0, "values": gpt1.bucket(-causal, False).tolist()},
        "bidirectional": {"what": "j - i from -200", "from": -200, "values": gpt1.bucket(both, True).tolist()},
    }


# ---- Writing ----


def main():
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    check_buckets()
    check_slopes()
    check_rotation()
    check_embedding()
    for s, found in SETS.items():
        for name, x in found.items():
            store(f"params/{s}/{name}", x)
    cases = grad_cases("grad", gpt1.TASKS, Dropout())
    dropout_cases = grad_cases("grad-dropout", ("lm", "classification", "choice"), DROPOUT)
    about = {
        "about": "Written by tests/reference/positions.py; tensors are in positions.safetensors",
        "config": {k: getattr(CONFIG, k) for k in ("vocabulary", "width", "heads", "layers", "context", "epsilon")}
        | {"classes": 3, "lambda": COEFFICIENT, "specials": {"start": START, "delim": DELIM, "extract": EXTRACT}},
        "batches": {task: listed(b) for task, b in BATCHES.items()},
        "cases": cases,
        "dropout": {"rate": DROPOUT.rate, "seed": DROPOUT.seed, "update": DROPOUT.update, "cases": dropout_cases},
        "generation": generation_cases(),
        "beyond": beyond_cases(),
        "bidirectional": bidirectional_cases(),
        "prenorm": prenorm_cases(),
        "slopes": [{"heads": n, "values": gpt1.slopes(n)} for n in (*range(1, 9), 12, 16)],
        "buckets": bucket_lists(),
        "analyticallyZero": [
            {
                "parameter": "h.*.attn.c_attn.bias",
                "rows": [CONFIG.width, 2 * CONFIG.width],
                "when": "positions alibi or relative",
                "why": "a key's bias adds the same to all scores of a query, if it is not rotated",
            },
            {
                "parameter": "clf.bias",
                "rows": [0, 1],
                "when": "task choice",
                "why": "the one output is shared by all choices, so its bias shifts all logits of an example alike",
            },
            {
                "parameter": TABLE,
                "rows": "the buckets that no pair is in",
                "when": "positions relative",
                "why": "not used by the batch; the last state of lm predicts nothing",
            },
        ],
    }
    make.write_safetensors(make.FIXTURES / "positions.safetensors")
    (make.FIXTURES / "positions.json").write_text(make.compact(about) + "\n")
    for path in sorted(make.FIXTURES.glob("positions.*")):
        print(path.name, path.stat().st_size)
    print(len(make.tensors), "tensors,", len(cases), "cases,", len(dropout_cases), "with dropout")


if __name__ == "__main__":
    main()
