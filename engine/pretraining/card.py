"""The model card: what the model is, what it was made from and by which command, and how well it does."""

import platform
from pathlib import Path

import torch

from engine.checkpoints import load_causal_lm
from engine.pretraining.config import PretrainConfig
from engine.pretraining.data import read_stories
from engine.pretraining.evaluate import bits_per_byte
from engine.pretraining.training import Progress
from engine.tokenizer import BPETokenizer


def write_card(
    folder: Path,
    config: PretrainConfig,
    progress: Progress,
    tokenizer: BPETokenizer,
    corpus: list[str],
    reported: str | None,
    command: str,
) -> dict:
    """Write README.md into the model's folder and return its numbers. The number reported is measured on the files."""
    model = load_causal_lm(folder)
    told = {
        "parameters": sum(weights.numel() for weights in model.parameters()),
        "bytes": sum(file.stat().st_size for file in folder.iterdir() if file.name != "README.md"),
        "steps": progress.step,
        "tokens": progress.tokens,
        "seconds": round(progress.seconds),
        "best_step": progress.best_step,
        "chosen_by_bits_per_byte": round(progress.best, 4),
    }
    if reported:
        told["bits_per_byte"] = round(bits_per_byte(model, tokenizer, read_stories([reported])), 4)
    shape = config.model
    lines = [
        f"# {folder.name}",
        "",
        "A small language model of simple stories, trained by this project from random weights.",
        "",
        f"- **Shape**: Llama ({shape.n_layers} layers, d_model {shape.d_model}, {shape.n_heads} heads,"
        f" d_ff {shape.d_ff}, rotary positions, RMSNorm, SwiGLU, tied embeddings),"
        f" {told['parameters']:,} parameters, float16; texts of up to {shape.max_len} tokens; vocabulary"
        f" {len(tokenizer):,} (byte-level BPE by engine.tokenizer, trained on the same text).",
        f"- **Data**: {', '.join(Path(name).name for name in corpus) or 'from the hub, see the command'}.",
        f"- **Command**: `{command}`",
        f"- **Seed** {config.seed}; {told['steps']:,} steps, {told['tokens']:,} tokens, {told['seconds']:,} s"
        f" by the clock, pauses included, on {_device()}. The weights are those of step {told['best_step']:,}, the best"
        f" on {config.held_out} stories kept apart from the corpus ({told['chosen_by_bits_per_byte']} bits per byte).",
    ]
    if reported:
        file = Path(reported).name
        lines.append(
            f"- **Held-out bits per byte**: {told['bits_per_byte']} on {file}, which was used for nothing else:"
            f" `python -m engine.pretraining.evaluate {folder.as_posix()} {file}`."
        )
    (folder / "README.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return told


def _device() -> str:
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"{torch.get_num_threads()} cores ({platform.machine()}), torch {torch.__version__}"
