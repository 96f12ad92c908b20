"""The same model in eager PyTorch, with its fused attention and optimiser: a contender of the benchmark.

Arguments: number of threads or "cuda", size as JSON. Speaks the protocol of contender.ts.
"""

import json
import math
import resource
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn


class Block(nn.Module):
    def __init__(self, d, heads, drop):
        super().__init__()
        self.heads, self.drop = heads, drop
        self.qkv, self.out = nn.Linear(d, 3 * d), nn.Linear(d, d)
        self.wide, self.narrow = nn.Linear(d, 4 * d), nn.Linear(4 * d, d)
        self.norm1, self.norm2 = nn.LayerNorm(d), nn.LayerNorm(d)

    def forward(self, x):
        N, T, d = x.shape
        q, k, v = (
            part.view(N, T, self.heads, d // self.heads).transpose(1, 2)
            for part in self.qkv(x).chunk(3, -1)
        )
        a = F.scaled_dot_product_attention(q, k, v, dropout_p=self.drop, is_causal=True)
        a = self.out(a.transpose(1, 2).reshape(N, T, d))
        x = self.norm1(x + F.dropout(a, self.drop))
        m = self.narrow(F.gelu(self.wide(x), approximate="tanh"))
        return self.norm2(x + F.dropout(m, self.drop))


class GPT(nn.Module):
    def __init__(self, layers, width, heads, context, vocabulary, dropout):
        super().__init__()
        self.drop = dropout
        self.tokens = nn.Embedding(vocabulary, width)
        self.places = nn.Embedding(context, width)
        self.blocks = nn.ModuleList(Block(width, heads, dropout) for _ in range(layers))
        for p in self.parameters():
            if p.dim() > 1:
                nn.init.normal_(p, 0, 0.02)

    def forward(self, ids):
        x = F.dropout(self.tokens(ids) + self.places.weight, self.drop)
        for block in self.blocks:
            x = block(x)
        logits = F.linear(x[:, :-1].flatten(0, 1), self.tokens.weight)
        return F.cross_entropy(logits, ids[:, 1:].flatten())


def say(answer):
    print(json.dumps(answer), flush=True)


where, size = sys.argv[1], json.loads(sys.argv[2])
if where == "cuda":
    about = f"fp32, {torch.cuda.get_device_name()}"
else:
    torch.set_num_threads(int(where))
    about = f"{where} thread{'' if where == '1' else 's'}"
device = "cuda" if where == "cuda" else "cpu"
torch.manual_seed(1)
batch = size.pop("batch")
model = GPT(**size).to(device)
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.01, fused=True)
say({"about": f"PyTorch {torch.__version__} eager, {about}"})
V, T = size["vocabulary"], size["context"]
i = torch.arange(batch * T)
for n, _ in enumerate(sys.stdin):
    ids = ((i * 7919 + n * 104729) % V).view(batch, T)
    begin = time.perf_counter()
    loss = model(ids.to(device))
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1)
    optimizer.step()
    loss = loss.item()
    ms = 1e3 * (time.perf_counter() - begin)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    say({"ms": ms, "loss": loss, "peak": peak})
