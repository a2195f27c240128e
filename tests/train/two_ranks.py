"""Started by torchrun: trains the toy on all ranks; rank 0 saves its weights as <argument>.pt."""

import sys
from pathlib import Path

import torch
import torch.distributed as dist
from test_loop import scenes

from pipeline.system import build_system
from pipeline.train.loop import train

torch.set_num_threads(1)
dist.init_process_group("gloo")
work = Path(sys.argv[1])
work.mkdir(exist_ok=True)
model = build_system("toy_trained", {"samples": 200}, {}, 0)
train(model, scenes(0), work=work, digest="d", seed=0, device=torch.device("cpu"), dtype=torch.float32)
if dist.get_rank() == 0:
    torch.save(model.state_dict(), work.with_suffix(".pt"))
dist.destroy_process_group()
