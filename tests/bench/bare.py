"""The library's own pipeline, called as its documentation says, for the request of a bench."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AceStepPipeline
from diffusers.utils import logging as diffusers_logging
from numpy.typing import NDArray

from inference.request import GenerationRequest

Samples = NDArray[np.float32]


def load(folder: Path, *, device: torch.device, dtype: torch.dtype) -> Any:
    """Load a checkpoint in diffusers layout with the settings that the engine uses."""
    diffusers_logging.disable_progress_bar()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*weight_norm.*", category=FutureWarning)
        pipeline = AceStepPipeline.from_pretrained(folder, dtype=dtype, local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.vae.enable_tiling()  # off after loading, against a comment in the library
    return pipeline.to(device)


def run(pipeline: Any, request: GenerationRequest) -> Samples:
    """Return the clips, (items, 2, samples) float32, of a text2music request on a turbo model."""
    samples = pipeline(
        prompt=[item.prompt for item in request.items],
        lyrics=[item.lyrics for item in request.items],
        vocal_language=[item.vocal_language for item in request.items],
        audio_duration=request.duration,
        num_inference_steps=request.steps,
        shift=request.shift,
        guidance_scale=1.0,
        generator=[torch.Generator("cpu").manual_seed(item.seed) for item in request.items],
        output_type="np",
    ).audios
    return np.asarray(samples, dtype=np.float32)
