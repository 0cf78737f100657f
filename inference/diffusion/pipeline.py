"""Texts and audio inputs to latents, and latents to samples: the library's pipeline, with a clean stop."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from diffusers.utils import logging as diffusers_logging
from safetensors import SafetensorError
from torch import Tensor
from transformers.utils import logging as transformers_logging

from inference.diffusion import original
from inference.diffusion.attention import CrossMask, MaskedAttention
from inference.diffusion.call import Call, latent_frames, whole_frames, whole_window
from inference.diffusion.codes import as_texts
from inference.diffusion.conditioning import Conditioning
from inference.diffusion.cover import CoverSwitch
from inference.diffusion.encoding import EncodingPipeline
from inference.diffusion.guidance import AngleGuidance
from inference.diffusion.sampling import Sampling
from inference.diffusion.scheduler import ItemNoiseScheduler
from inference.errors import ModelLoadError, NumericalError
from inference.request import ItemSpec, OnProgress, ShouldCancel


@dataclass(frozen=True, slots=True, kw_only=True)
class Denoised:
    """The end of the diffusion loop.

    Attributes:
        latents: (items, frames, channels) in the model's dtype, 25 frames a second, finite.
        condition_tokens: real tokens of each item, for each condition that the transformer listened to.
        token_counts: prompt and lyrics tokens of each item before the cut at `MAX_TOKENS`.
    """

    latents: Tensor
    condition_tokens: tuple[tuple[int, ...], ...]
    token_counts: tuple[tuple[int, int], ...]


TEXT_ONLY = Conditioning()


class MusicPipeline(EncodingPipeline):
    """Text to latents and latents to samples, for a batch whose items share nothing but the length."""

    # As in the library, but for the audio tokenizer: given codes are looked up in its weights outside of a
    # forward call, so it must not be offloaded.
    model_cpu_offload_seq = "text_encoder->condition_encoder->audio_token_detokenizer->transformer->vae"
    _exclude_from_cpu_offload: ClassVar = ["audio_tokenizer"]

    scheduler: Any

    @classmethod
    def load(cls, folder: Path, *, device: torch.device, dtype: torch.dtype) -> Self:
        """Load a checkpoint from disk, never from the network: `model_index.json` says that its layout is
        diffusers', else it is the original one.

        Raises:
            ModelLoadError: a file is missing, broken or of another model.
        """
        diffusers_logging.disable_progress_bar()
        transformers_logging.disable_progress_bar()
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message=".*weight_norm.*", category=FutureWarning)
                pipeline: Self = (
                    cls.from_pretrained(
                        folder,
                        dtype=dtype,
                        local_files_only=True,
                        use_safetensors=True,
                        trust_remote_code=False,
                    )
                    if (folder / "model_index.json").is_file()
                    else cls(**original.components(folder, dtype=dtype))
                )
        except (OSError, ValueError, TypeError, KeyError, RuntimeError, SafetensorError) as error:
            raise ModelLoadError(f"the files of model {folder.name} are broken or incomplete") from error
        pipeline._prepare()
        pipeline.to(device)
        return pipeline

    def _prepare(self) -> None:
        self.set_progress_bar_config(disable=True)
        # Off after loading, against a comment in the library; untiled, 600 s need 7.4 GB per item.
        self.vae.enable_tiling()
        self._cross_mask = CrossMask()
        self.condition_encoder.register_forward_hook(self._cross_mask.remember)
        self.transformer.set_attn_processor(MaskedAttention(self._cross_mask))

    def denoise(
        self,
        items: Sequence[ItemSpec],
        *,
        duration_s: float,
        sampling: Sampling,
        on_progress: OnProgress,
        should_cancel: ShouldCancel,
        conditioning: Conditioning = TEXT_ONLY,
    ) -> Denoised:
        """Encode texts and audio inputs and run the diffusion loop for one batch.

        Raises:
            Cancelled: asked to stop, before encoding or after a step.
            NumericalError: a latent is not finite.
        """
        call = Call(
            items=items,
            duration_s=duration_s,
            conditioning=conditioning,
            on_progress=on_progress,
            should_cancel=should_cancel,
            switch=self._cover_switch(len(items), sampling, conditioning.cover_strength),
        )
        # CPU generators give the same start noise on every device; one per item makes items independent.
        generators = [torch.Generator("cpu").manual_seed(item.seed) for item in items]
        with self._running(call), self._hooks(call, sampling), self._noise(sampling, generators):
            latents: Tensor = self(
                prompt=[item.prompt for item in items],
                lyrics=[item.lyrics for item in items],
                audio_duration=self._inside_last_frame_s(latent_frames(duration_s)),
                num_inference_steps=sampling.steps,
                guidance_scale=sampling.guidance_scale,
                shift=sampling.shift,
                cfg_interval_start=sampling.cfg_interval[0],
                cfg_interval_end=sampling.cfg_interval[1],
                timesteps=list(sampling.timesteps) if sampling.timesteps else None,
                audio_codes=as_texts(items),
                **self._inputs_of(conditioning),
                generator=generators,
                output_type="latent",
                return_dict=False,
                callback_on_step_end=self._after_step,
            )[0]
            condition_tokens = tuple(map(tuple, self._cross_mask.lengths))
        if not bool(torch.isfinite(latents).all()):
            raise NumericalError("the model produced latents that are not finite")
        return Denoised(
            latents=latents, condition_tokens=condition_tokens, token_counts=tuple(call.token_counts)
        )

    def _inputs_of(self, conditioning: Conditioning) -> dict[str, Any]:
        start_s, end_s = whole_window(conditioning.window)
        reference = conditioning.reference
        return {
            "task_type": conditioning.task_type,
            "src_audio": whole_frames(conditioning.source),
            "reference_audio": None if reference is None else torch.from_numpy(reference.samples),
            "repainting_start": start_s,
            "repainting_end": end_s,
        }

    def _cover_switch(self, items: int, sampling: Sampling, strength: float | None) -> CoverSwitch | None:
        if strength is None or strength == 1.0:
            return None
        steps = len(sampling.timesteps) if sampling.timesteps else sampling.steps
        return CoverSwitch(
            followed_steps=int(steps * strength),
            cross_mask=self._cross_mask,
            silence=lambda frames: self.prepare_src_latents(
                self._execution_device, self.transformer.dtype, items, latent_length=frames
            )[0],
        )

    @torch.no_grad()
    def decode(
        self, latents: Tensor, *, tiled: bool = True, after_item: Callable[[int], None] = lambda done: None
    ) -> Tensor:
        """Turn latents (items, frames, channels) into samples without any gain, one item after the other.

        Args:
            tiled: decode long items in overlapping pieces; without, 600 s need 7.4 GB.
            after_item: called with the number of items done; what it raises ends the decoding.

        Returns:
            (items, 2, frames x 1 920) float32 on the CPU.
        """
        self.vae.use_tiling = tiled
        samples = []
        try:
            for item in latents.transpose(1, 2):
                samples.append(self.vae.decode(item[None]).sample.float().cpu())
                after_item(len(samples))
        finally:
            self.vae.use_tiling = True
            self.maybe_free_model_hooks()
        return torch.cat(samples)

    @contextmanager
    def _running(self, call: Call) -> Iterator[None]:
        self._call = call
        self._cross_mask.forget()
        try:
            yield
        finally:
            del self._call  # and with it the audio inputs
            self._cross_mask.forget()
            self.maybe_free_model_hooks()

    @contextmanager
    def _hooks(self, call: Call, sampling: Sampling) -> Iterator[None]:
        """Hang into the modules what this call needs, and take it out again."""
        handles = []
        if call.switch is not None:
            handles = [
                self.condition_encoder.register_forward_hook(call.switch.after_condition, with_kwargs=True),
                self.transformer.register_forward_pre_hook(call.switch.before_step, with_kwargs=True),
            ]
        if sampling.angle_guidance:
            guidance = AngleGuidance(items=len(call.items), scale=sampling.guidance_scale)
            handles.append(self.transformer.register_forward_hook(guidance, with_kwargs=True))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    @contextmanager
    def _noise(self, sampling: Sampling, generators: list[torch.Generator]) -> Iterator[None]:
        """Swap in the stochastic scheduler for one call."""
        deterministic = self.scheduler
        if sampling.stochastic:
            self.scheduler = ItemNoiseScheduler.from_config(deterministic.config, stochastic_sampling=True)
            self.scheduler.generators = generators
        try:
            yield
        finally:
            self.scheduler = deterministic

    def _after_step(
        self, _pipeline: Any, step: int, _timestep: float, tensors: dict[str, Any]
    ) -> dict[str, Any]:
        self._call.on_progress("diffusing", step + 1, len(self.scheduler.timesteps))
        self._call.stop_if_asked()
        return tensors
