"""Writes case.safetensors: the loss of TiCo after algorithm 1 of Zhu et al. 2022 (arXiv 2206.10698), in float64, averaged
over both directions. Needs torch and safetensors."""
import torch
from safetensors.torch import save_file

BETA, RHO, ROWS, WIDTH = 0.9, 8.0, 6, 10

torch.manual_seed(0)
online = [torch.randn(ROWS, WIDTH) for _ in range(2)]
target = [torch.randn(ROWS, WIDTH) for _ in range(2)]
start = torch.randn(40, WIDTH)
start = torch.nn.functional.normalize(start).T @ torch.nn.functional.normalize(start) / 40

x = [tensor.double().requires_grad_() for tensor in online]
z = [torch.nn.functional.normalize(tensor) for tensor in x]
t = [torch.nn.functional.normalize(tensor.double()) for tensor in target]
with torch.no_grad():
    rows = torch.cat(z)
    c = BETA * start.double() + (1 - BETA) * rows.T @ rows / len(rows)
loss = sum(1 - (z[i] * t[1 - i]).sum(1).mean() + RHO * (z[i] @ c * z[i]).sum(1).mean() for i in range(2)) / 2
loss.backward()

case = {f"input.online.{i}": online[i] for i in range(2)} | {f"input.target.{i}": target[i] for i in range(2)}
case |= {f"expect.grad.online.{i}": x[i].grad.float() for i in range(2)}
case |= {"state.covariance": start, "expect.state.covariance": c.float(), "expect.loss": loss.detach().float().view(1)}
save_file(case, "case.safetensors")
