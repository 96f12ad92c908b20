"""Writes tests/fixtures/reference.safetensors and reference.json: what a right GPT-1 must compute, on tiny examples.

    python3 tests/reference/make.py

Deterministic. Computes in float64, stores tensors as float32 and scalars as they are. All given parameters are float32
numbers, so another program starts from the same values. Checks itself before it writes; README.md says how.
"""

import json
import math
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

import gpt1
from gpt1 import Adam, Arm, Config, Dropout

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"
CONFIG = Config(vocabulary=13, width=8, heads=2, layers=2, context=9)
START, DELIM, EXTRACT = (CONFIG.vocabulary + i for i in range(gpt1.SPECIALS))
COEFFICIENT = 0.5  # λ (P section 4.1)
DROPOUT = Dropout(rate=0.1, seed=7, update=3)
PROMPT, CONTINUATION = [11, 8, 7, 2], 5
RUN = {"lr": 1e-3, "warmup": 0.1, "updates": 50, "l2": 0.01, "rate": 0.1, "seed": 7}
ADAM = {"lr": 0.05, "warmup": 0.1, "updates": 50, "l2": 0.01}
ADAM_AFTER = (1, 2, 10, 50)
ZERO = 1e-13  # a gradient below this in float64 is rounding only

tensors = {}


def store(name, x):
    assert name not in tensors, name
    tensors[name] = np.ascontiguousarray(x.detach().numpy(), dtype="<f4")
    assert np.isfinite(tensors[name]).all(), name


def single(x):
    """A float64 tensor of float32 numbers."""
    return torch.from_numpy(np.asarray(x, dtype=np.float32).astype(np.float64))


# ---- Parameters: random, of a size at which every part matters ----


def parameters():
    """Named sets; a model is a union of sets. RandomState, as NumPy promises never to change its stream.

    The seed is chosen for greedy continuations that are not one token repeated, and in which a special token would win.
    """
    random = np.random.RandomState(38)
    normal = lambda deviation, *shape: single(deviation * random.standard_normal(shape))  # noqa: E731
    d = CONFIG.width
    body = {"tokens_embed.weight": normal(0.5, CONFIG.vocabulary + gpt1.SPECIALS, d)}
    for i in range(CONFIG.layers):
        for name, rows, columns in (
            ("attn.c_attn", d, 3 * d),
            ("attn.c_proj", d, d),
            ("mlp.c_fc", d, 4 * d),
            ("mlp.c_proj", 4 * d, d),
        ):
            body[f"h.{i}.{name}.weight"] = normal(0.3, rows, columns)
            body[f"h.{i}.{name}.bias"] = normal(0.1, columns)
        for name in ("ln_1", "ln_2"):
            body[f"h.{i}.{name}.weight"] = single(1 + 0.1 * random.standard_normal(d))
            body[f"h.{i}.{name}.bias"] = normal(0.1, d)
    table = lambda x: {"positions_embed.weight": x}  # noqa: E731
    head = lambda classes: {"clf.weight": normal(0.3, d, classes), "clf.bias": normal(0.1, classes)}  # noqa: E731
    return {
        "body": body,
        "positions/learned": table(normal(0.3, CONFIG.context, d)),
        "positions/random-frozen": table(normal(0.3, CONFIG.context, d)),
        "positions/sinusoidal-matched": table(single(gpt1.sinusoid(CONFIG.context, d, "matched"))),
        "positions/sinusoidal-raw": table(single(gpt1.sinusoid(CONFIG.context, d, "raw"))),
        "head/3": head(3),
        "head/1": head(1),
    }


SETS = parameters()


def sets_of(arm, task):
    """Which sets make the model of a case."""
    names = ["body"]
    if arm.positions in ("learned", "random-frozen"):
        names.append(f"positions/{arm.positions}")
    elif arm.positions != "none":
        names.append("positions/sinusoidal-" + ("matched" if arm.scale == "matched" else "raw"))
    if task != "lm":
        names.append("head/1" if task == "choice" else "head/3")
    return names


def model(arm, task):
    return {name: x for s in sets_of(arm, task) for name, x in SETS[s].items()}


# ---- Batches: the transforms of P section 3.3 and figure 1, on made-up tokens ----


def batch(task, sequences, labels, width, context=CONFIG.context):
    """Right padding with id 0, which is also a real token of some texts: only the length tells them apart."""
    lengths = [len(s) for s in sequences]
    assert max(lengths) == width <= context
    ids = torch.tensor([s + [0] * (width - len(s)) for s in sequences])  # (N, W)
    found = {"task": task, "ids": ids, "lengths": torch.tensor(lengths), "labels": torch.tensor(labels)}
    if task != "lm":
        found["extract"] = (ids == EXTRACT).int().argmax(1)  # the first Extract (T181-182)
    return found


def one(text):
    return [START, *text, EXTRACT]


def two(a, b):
    return [START, *a, DELIM, *b, EXTRACT]


def similar(a, b):
    return [two(a, b), two(b, a)]


BATCHES = {
    "lm": batch("lm", [[3, 0, 7, 7, 12, 5, 1, 9, 2], [8, 4, 10, 0, 6, 11, 3, 3, 1]], [], 9),
    "classification": batch("classification", [one([4, 0, 9, 2, 2]), one([11, 7]), one([1, 12, 0])], [2, 0, 1], 7),
    "entailment": batch("entailment", [two([6, 2, 9], [10, 5, 0]), two([3], [8, 8])], [1, 2], 9),
    "similarity": batch(
        "similarity", [*similar([5, 1], [12, 0]), *similar([7], [9, 4]), *similar([2], [2])], [0, 2, 2], 7
    ),
    "choice": batch(
        "choice",
        [
            *(two([1, 10, 4], answer) for answer in ([6], [0, 3], [11])),
            *(two([9], answer) for answer in ([2, 2], [7], [5, 0, 8])),
        ],
        [1, 0],
        8,
    ),
}


# ---- Checks ----


def check_threefry():
    """The known answers that Salmon et al. publish with Random123 (kat_vectors, threefry2x32 20)."""
    ones = 0xFFFFFFFF
    answers = []
    for key, counter, expected in (
        ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
        ((ones, ones), (ones, ones), (0x1CB996FC, 0xBB002BE7)),
        ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0)),
    ):
        assert tuple(int(x) for x in gpt1.threefry(key, counter)) == expected
        answers.append({"key": key, "counter": counter, "words": expected})
    m = gpt1.mask(7, 3, 0, (400, 500), 0.1)
    assert abs((m > 0).mean() - 0.9) < 0.003 and abs(m.mean() - 1) < 0.004
    return answers


def check_forward(p, b, arm, result):
    """The same without dropout, from PyTorch's own building blocks."""
    d, width = CONFIG.width, b["ids"].shape[1]
    norm = lambda x, name: F.layer_norm(x, (d,), p[f"{name}.weight"], p[f"{name}.bias"], eps=1e-5)  # noqa: E731
    affine = lambda x, name: F.linear(x, p[f"{name}.weight"].T, p[f"{name}.bias"])  # noqa: E731
    h = F.embedding(b["ids"], p["tokens_embed.weight"]) * (math.sqrt(d) if arm.scale == "sqrt-width" else 1)
    rows = p["tokens_embed.weight"]
    if arm.positions != "none":
        h = h + p["positions_embed.weight"][:width]
        if arm.variant == "paper" and arm.positions in ("learned", "sinusoidal-trained"):
            rows = torch.cat([rows, p["positions_embed.weight"][:width]])
    for i in range(CONFIG.layers):
        qkv = affine(h, f"h.{i}.attn.c_attn").chunk(3, 2)
        heads = (y.unflatten(2, (CONFIG.heads, -1)).transpose(1, 2) for y in qkv)
        a = F.scaled_dot_product_attention(*heads, is_causal=True).transpose(1, 2).flatten(2)
        n = norm(h + affine(a, f"h.{i}.attn.c_proj"), f"h.{i}.ln_1")
        m = affine(F.gelu(affine(n, f"h.{i}.mlp.c_fc"), approximate="tanh"), f"h.{i}.mlp.c_proj")
        h = norm(n + m, f"h.{i}.ln_2")
    torch.testing.assert_close(result["h"], h, rtol=1e-10, atol=1e-11)
    each = []
    for x, ids, length in zip(h, b["ids"], b["lengths"]):
        each.append(F.cross_entropy(F.linear(x[: length - 1], rows), ids[1:length]))
    torch.testing.assert_close(result["L1"], torch.stack(each).mean(), rtol=1e-10, atol=1e-11)
    if b["task"] == "lm":
        return
    e = h[torch.arange(len(h)), b["lengths"] - 1]
    if b["task"] == "similarity":
        e = e[0::2] + e[1::2]
    logits = affine(e, "clf").reshape(len(b["labels"]), -1)
    torch.testing.assert_close(result["logits"], logits, rtol=1e-10, atol=1e-11)
    torch.testing.assert_close(result["L2"], F.cross_entropy(logits, b["labels"]), rtol=1e-10, atol=1e-11)


def check_gradients(p, b, arm, drop, grads, config=CONFIG):
    """Central differences for an entry or two of each parameter; which entries, is random."""
    random = np.random.RandomState(2)
    step = 1e-5
    for name, g in grads.items():
        for _ in range(2):
            at = tuple(random.randint(n) for n in g.shape)
            ends = []
            for sign in (1, -1):
                q = {**p, name: p[name].clone()}
                q[name][at] += sign * step
                ends.append(float(gpt1.losses(q, b, arm, config, COEFFICIENT, drop)["loss"]))
            numeric = (ends[0] - ends[1]) / (2 * step)
            assert abs(numeric - float(g[at])) < 1e-8 + 1e-6 * abs(numeric), (arm, name, at, numeric, float(g[at]))


def zeros(arm, task, width):
    """Ranges of rows (first axis) in which the gradient is zero by analysis, not by chance."""
    d, found = CONFIG.width, []
    # q·(k + b) adds the same to all scores of a query, and softmax does not see it: no gradient for a key's bias.
    for i in range(CONFIG.layers):
        found.append({"parameter": f"h.{i}.attn.c_attn.bias", "rows": [d, 2 * d]})
    # The one output of the choice head is shared by all choices, so its bias shifts all logits alike.
    if task == "choice":
        found.append({"parameter": "clf.bias", "rows": [0, 1]})
    if arm.positions in gpt1.TRAINED_POSITIONS:
        # Rows beyond the batch are not used. The last row in use only moves the last state, which predicts nothing: it
        # has a gradient through the softmax (paper) or through a task head that reads the last state, else none.
        used = width - 1 if task == "lm" and arm.variant == "clean" else width
        if used < CONFIG.context:
            found.append({"parameter": "positions_embed.weight", "rows": [used, CONFIG.context]})
    return found


def check_zeros(grads, expected, exactly):
    """What must be zero is, and (without dropout) nothing else is."""
    left = {name: g.clone() for name, g in grads.items()}
    for z in expected:
        part = left[z["parameter"]][z["rows"][0] : z["rows"][1]]
        assert part.abs().max() < ZERO, z
        part.fill_(1)
    for name, g in left.items():
        assert not exactly or g.abs().min() > ZERO, (name, g)


# ---- Parts of the fixture ----


def numbers(result):
    return {k: float(result[k]) for k in ("L1", "L2", "L3", "loss") if k in result}


def describe(arm, task):
    """A case: the model, the batch, and what its numbers are called."""
    frozen = [] if arm.positions in gpt1.TRAINED_POSITIONS + ("none",) else ["positions_embed.weight"]
    return {
        "task": task,
        "positions": arm.positions,
        "scale": arm.scale,
        "variant": arm.variant,
        "parameters": [f"params/{s}/" for s in sets_of(arm, task)],
        "frozen": frozen,
    }


def label(arm):
    return arm.positions if arm.scale == "matched" else f"{arm.positions}-{arm.scale}"


def same_forward(arm):
    """Kinds with equal tables have equal states: those of a trained sinusoid are the sinusoid's."""
    return "sinusoidal" if label(arm) == "sinusoidal-trained" else label(arm)


def grad_cases(prefix, arms, tasks, drop):
    """Part A (no dropout) and B (dropout). Nothing is stored twice: a case gives the prefix of its gradients."""
    cases, states = [], {}
    for arm in arms:
        for task in tasks:
            p, b = model(arm, task), BATCHES[task]
            result, grads = gpt1.gradients(p, b, arm, CONFIG, COEFFICIENT, drop)
            check_gradients(p, b, arm, drop, grads)
            expected = zeros(arm, task, b["ids"].shape[1])
            check_zeros(grads, expected, exactly=drop.rate == 0)
            case = {**describe(arm, task), **numbers(result)}
            if drop.rate == 0:
                check_forward(p, b, arm, result)
                for what, key in (("hidden", "h"), ("logits", "logits")):
                    if key not in result:
                        continue
                    name = f"{what}/{same_forward(arm)}/{task}"
                    if name in states:
                        assert torch.equal(states[name], result[key]), name
                    else:
                        states[name] = result[key]
                        store(name, result[key])
                    case[what] = name
            # Without dropout, the variants differ in the rows of the softmax only, so not at all with a fixed table.
            shared = drop.rate == 0 and arm.positions not in gpt1.TRAINED_POSITIONS
            variant = "clean" if shared else arm.variant
            case["gradient"] = f"{prefix}/{label(arm)}/{variant}/{task}/"
            for name, g in grads.items():
                key = case["gradient"] + name
                if key in states:
                    assert torch.equal(states[key], g), key
                else:
                    states[key] = g
                    store(key, g)
            case["analyticallyZero"] = expected
            cases.append(case)
    return cases


def adam_cases():
    """Part C: a problem whose gradient is sometimes above norm 1 and sometimes below."""
    random = np.random.RandomState(3)
    start = {"W": (3, 4), "b": (4,), "E": (5, 3)}
    start = {name: single(random.standard_normal(shape)) for name, shape in start.items()}
    for name, x in start.items():
        store(f"adam/start/{name}", x)
    norms = {}
    for name in gpt1.SCHEDULES:
        p, adam = dict(start), Adam(ADAM["lr"], ADAM["updates"], name, ADAM["warmup"], l2=ADAM["l2"])
        norms[name] = []
        for t in range(ADAM["updates"]):
            flat = torch.cat([x.reshape(-1) for x in p.values()])
            j = torch.arange(len(flat), dtype=torch.float64)
            g = 0.8 * torch.sin(3 * flat + 0.37 * t + j) * (0.05 + (t % 5) / 2.5)
            parts = torch.split(g, [x.numel() for x in p.values()])
            norms[name].append(adam.update(p, {k: y.reshape(p[k].shape) for k, y in zip(p, parts)}))
            if adam.t == 1:
                assert all(torch.equal(p[k], start[k]) for k in p)  # the first rate is zero
            if adam.t in ADAM_AFTER:
                for k, x in p.items():
                    store(f"adam/{name}/after-{adam.t}/{k}", x)
        assert min(norms[name]) < 1 < max(norms[name])
    return {
        **ADAM,
        "b1": 0.9,
        "b2": 0.999,
        "e": 1e-8,
        "maxGradNorm": 1,
        "order": list(start),
        "gradient": "0.8*sin(3*p[j] + 0.37*t + j) * (0.05 + (t mod 5)/2.5), j over the concatenation, t from 0",
        "after": ADAM_AFTER,
        "schedules": list(gpt1.SCHEDULES),
        "norms": norms,
    }


def train(arm, task, name, dtype=torch.float64):
    """Part D: updates on one batch; dropout masks change with t."""
    p = {k: x.to(dtype) for k, x in model(arm, task).items()}
    adam, found = Adam(RUN["lr"], RUN["updates"], name, RUN["warmup"], l2=RUN["l2"]), []
    for t in range(RUN["updates"]):
        drop = Dropout(RUN["rate"], RUN["seed"], update=t)
        result, grads = gpt1.gradients(p, BATCHES[task], arm, CONFIG, COEFFICIENT, drop)
        found.append(float(result["loss"]))
        adam.update(p, grads)
    return p, found


def run_cases():
    cases = []
    for arm in (Arm("learned", "paper"), Arm("sinusoidal", "clean")):
        for name in gpt1.SCHEDULES:
            task = "classification"
            p, found = train(arm, task, name)
            final = f"run/{label(arm)}/{arm.variant}/{name}/"
            for k in gpt1.trainable(p, arm, task):
                store(final + k, p[k])
            zero = zeros(arm, task, BATCHES[task]["ids"].shape[1])
            case = {**describe(arm, task), "schedule": name, "final": final, "losses": found}
            cases.append({**case, "analyticallyZero": zero})
    return cases


def generation_cases():
    """Part E. The best token leads by enough for float32 to choose it too."""
    cases = []
    for kind in gpt1.KINDS:
        arm = Arm(kind, "clean")
        p = model(arm, "lm")
        tokens, logits = gpt1.generate(p, PROMPT, CONTINUATION, arm, CONFIG)
        name = f"generation/{kind}/logits"
        store(name, logits)
        specials = False
        for i in range(CONTINUATION):
            h, _ = gpt1.forward(p, torch.tensor([PROMPT + tokens[:i]]), arm, CONFIG)
            last = h[0, -1] @ p["tokens_embed.weight"].T
            best = last[: CONFIG.vocabulary].topk(2).values
            assert best[0] - best[1] > 1e-2, kind
            specials = specials or bool(last[CONFIG.vocabulary :].max() > best[0])
        case = describe(arm, "lm")
        keep = {k: case[k] for k in ("positions", "scale", "parameters", "frozen")}
        cases.append({**keep, "prompt": PROMPT, "tokens": tokens, "logits": name, "specialsWouldWin": specials})
        assert len(set(tokens)) > 1
    assert any(case["specialsWouldWin"] for case in cases)
    return cases


def schedule_values():
    return [
        {"schedule": name, "warmup": w, "x": x, "value": gpt1.schedule(name, x, w)}
        for name in gpt1.SCHEDULES
        for w, xs in ((0.1, (0, 0.05, 0.1, 0.5, 0.9, 1)), (0.002, (0,)))
        for x in xs
    ]


def mask_samples():
    """Small masks as 0 and 1, for finding out where a difference begins; not all sizes are multiples of four."""
    samples = []
    for seed, update, site, shape, rate in (
        (7, 3, 0, (3, 5), 0.1),
        (7, 3, 4, (2, 2, 3, 3), 0.5),
        (2**32 - 1, 1000, 2, (7,), 0.25),
    ):
        m = gpt1.mask(seed, update, site, shape, rate)
        kept = [int(x) for x in (m > 0).reshape(-1)]
        drawn = [int(x) for x in gpt1.draws(seed, update, site, len(kept))]
        samples.append(
            {"seed": seed, "update": update, "site": site, "shape": shape, "rate": rate}
            | {"draws": drawn, "kept": kept, "factor": float(m.max())}
        )
    return samples


# ---- Writing ----


def write_safetensors(path):
    header, data = {}, bytearray()
    for name, x in tensors.items():
        begin = len(data)
        data += x.tobytes()
        header[name] = {"dtype": "F32", "shape": list(x.shape), "data_offsets": [begin, len(data)]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


def line(x):
    if isinstance(x, dict) and x:
        return "{ " + ", ".join(f"{json.dumps(k)}: {line(v)}" for k, v in x.items()) + " }"
    return "[" + ", ".join(map(line, x)) + "]" if isinstance(x, (list, tuple)) else json.dumps(x)


def compact(x, indent=""):
    """JSON on few lines: what fits a line is on one."""
    inner = indent + "  "
    if len(indent) + len(json.dumps(x)) <= 100 or not isinstance(x, (dict, list, tuple)):
        return line(x)
    if isinstance(x, dict):
        lines = [f"{inner}{json.dumps(k)}: {compact(v, inner)}" for k, v in x.items()]
        return "{\n" + ",\n".join(lines) + f"\n{indent}}}"
    return "[\n" + ",\n".join(inner + compact(v, inner) for v in x) + f"\n{indent}]"


def main():
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    known = check_threefry()
    for s, found in SETS.items():
        for name, x in found.items():
            store(f"params/{s}/{name}", x)
    arms = [Arm(kind, variant) for kind in gpt1.KINDS for variant in ("clean", "paper")]
    cases = grad_cases("grad", arms, gpt1.TASKS, Dropout())
    extra = [Arm("sinusoidal", "clean", scale) for scale in ("raw", "sqrt-width")]
    cases += grad_cases("grad", extra, ("classification",), Dropout())
    dropped = [Arm(kind, variant) for kind in ("learned", "sinusoidal") for variant in ("clean", "paper")]
    dropout_cases = grad_cases("grad-dropout", dropped, gpt1.TASKS, DROPOUT)
    about = {
        "about": "Written by tests/reference/make.py; tensors are in reference.safetensors",
        "config": {
            "vocabulary": CONFIG.vocabulary,
            "width": CONFIG.width,
            "heads": CONFIG.heads,
            "layers": CONFIG.layers,
            "context": CONFIG.context,
            "epsilon": CONFIG.epsilon,
            "classes": 3,
            "lambda": COEFFICIENT,
            "specials": {"start": START, "delim": DELIM, "extract": EXTRACT},
        },
        "batches": {
            task: {k: v if isinstance(v, str) else v.tolist() for k, v in b.items()}
            | {"width": b["ids"].shape[1], "examples": len(b["labels"]) or len(b["ids"])}
            for task, b in BATCHES.items()
        },
        "cases": cases,
        "dropout": {"rate": DROPOUT.rate, "seed": DROPOUT.seed, "update": DROPOUT.update, "cases": dropout_cases},
        "threefry": {"knownAnswers": known, "masks": mask_samples()},
        "adam": adam_cases(),
        "training": {**RUN, "cases": run_cases()},
        "generation": generation_cases(),
        "schedules": schedule_values(),
        "analyticallyZero": [
            {
                "parameter": "h.*.attn.c_attn.bias",
                "rows": [CONFIG.width, 2 * CONFIG.width],
                "when": "always",
                "why": "a key's bias adds the same to all scores of a query, which softmax does not see",
            },
            {
                "parameter": "clf.bias",
                "rows": [0, 1],
                "when": "task choice",
                "why": "the one output is shared by all choices, so its bias shifts all logits of an example alike",
            },
            {
                "parameter": "positions_embed.weight",
                "rows": "from the batch width, or from width - 1 for lm and clean, to the context",
                "when": "positions are trained",
                "why": "not used by the batch; the last state of lm predicts nothing",
            },
        ],
    }
    FIXTURES.mkdir(exist_ok=True)
    write_safetensors(FIXTURES / "reference.safetensors")
    (FIXTURES / "reference.json").write_text(compact(about) + "\n")
    for path in sorted(FIXTURES.glob("reference.*")):
        print(path.name, path.stat().st_size)
    print(len(tensors), "tensors,", len(cases), "cases,", len(dropout_cases), "with dropout")


if __name__ == "__main__":
    main()
