"""The library's ACE-Step pipeline with per-item conditions, per-item noise and a clean stop."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from diffusers import AceStepPipeline
from diffusers.utils import logging as diffusers_logging
from safetensors import SafetensorError
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers.utils import logging as transformers_logging

from inference.diffusion import original
from inference.diffusion.call import Call, latent_frames, whole_frames
from inference.diffusion.conditioning import Conditioning, seeded_by
from inference.diffusion.hooks import CrossMask, MaskedAttention
from inference.diffusion.plan import Sampling
from inference.diffusion.scheduler import ItemNoiseScheduler
from inference.errors import ModelLoadError, NumericalError
from inference.request import ItemSpec, OnProgress, ShouldCancel


@dataclass(frozen=True, slots=True, kw_only=True)
class Denoised:
    """The end of the diffusion loop.

    Attributes:
        latents: (items, frames, channels) in the model's dtype, 25 frames a second, finite.
        condition_tokens: length of the packed condition, padding included.
        token_counts: prompt and lyrics tokens of each item before the cut at `MAX_TOKENS`.
    """

    latents: Tensor
    condition_tokens: int
    token_counts: tuple[tuple[int, int], ...]


TEXT_ONLY = Conditioning()
# Where the library cuts prompt and lyrics, in tokens.
MAX_TOKENS = (256, 2048)


class MusicPipeline(AceStepPipeline):  # type: ignore[misc]  # the library ships no type information
    """Text to latents and latents to samples, for a batch whose items share nothing but the length."""

    # As in the library, but for the audio tokenizer: given codes are looked up in its weights outside of a
    # forward call, so it must not be offloaded.
    model_cpu_offload_seq = "text_encoder->condition_encoder->audio_token_detokenizer->transformer->vae"
    _exclude_from_cpu_offload: ClassVar = ["audio_tokenizer"]

    scheduler: Any
    _call: Call
    _cross_mask: CrossMask

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
                    cls.from_pretrained(folder, dtype=dtype, local_files_only=True, use_safetensors=True)
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
        self.transformer.register_forward_pre_hook(self._cross_mask.turn)
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
        )
        # CPU generators give the same start noise on every device; one per item makes items independent.
        generators = [torch.Generator("cpu").manual_seed(item.seed) for item in items]
        with self._running(call), self._noise(sampling, generators):
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
                **self._inputs_of(conditioning),
                generator=generators,
                output_type="latent",
                return_dict=False,
                callback_on_step_end=self._after_step,
            )[0]
        if not bool(torch.isfinite(latents).all()):
            raise NumericalError("the model produced latents that are not finite")
        return Denoised(
            latents=latents,
            condition_tokens=self._cross_mask.tokens,
            token_counts=tuple(call.token_counts[: len(items)]),
        )

    def _inputs_of(self, conditioning: Conditioning) -> dict[str, Any]:
        start_s, end_s = conditioning.window or (None, None)
        return {
            "task_type": conditioning.task_type,
            "src_audio": whole_frames(conditioning.source),
            "reference_audio": whole_frames(conditioning.reference),
            "repainting_start": start_s,
            "repainting_end": end_s,
            "audio_cover_strength": conditioning.cover_strength,
        }

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """Turn latents (items, frames, channels) into samples without any gain.

        Returns:
            (items, 2, frames x 1 920) float32 on the CPU.
        """
        try:
            samples: Tensor = self.vae.decode(latents.transpose(1, 2)).sample
            return samples.float().cpu()
        finally:
            self.maybe_free_model_hooks()

    @contextmanager
    def _running(self, call: Call) -> Iterator[None]:
        self._call = call
        self._cross_mask.forget()
        try:
            yield
        finally:
            self._cross_mask.forget()
            self.maybe_free_model_hooks()

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

    def encode_prompt(
        self, prompt: Any, lyrics: Any, device: Any, *, instruction: str, **_shared: Any
    ) -> tuple[Tensor, ...]:
        """Encode every item by itself, then pad to the longest; the library has one set of metas per batch.

        Returns:
            text states (items, tokens, width), text mask (items, tokens), lyric states and mask likewise.
        """
        with self._call.encoding():
            encoded = [self._encode_item(item, device, instruction) for item in self._call.items]
        return tuple(
            pad_sequence([part[0] for part in parts], batch_first=True)
            for parts in zip(*encoded, strict=True)
        )

    def _encode_item(self, item: ItemSpec, device: Any, instruction: str) -> tuple[Tensor, ...]:
        own = {
            "vocal_language": item.vocal_language,
            "audio_duration": self._call.duration_s,
            "instruction": item.instruction or instruction,
            "bpm": item.bpm,
            "keyscale": item.keyscale,
            "timesignature": item.timesignature,
        }
        text, lyrics = self._format_prompt(item.prompt, item.lyrics, **own)
        self._call.token_counts.append((self._count(text), self._count(lyrics)))
        limits = {"max_text_length": MAX_TOKENS[0], "max_lyric_length": MAX_TOKENS[1]}
        states: tuple[Tensor, ...] = super().encode_prompt(item.prompt, item.lyrics, device, **own, **limits)
        return states

    def _count(self, text: str) -> int:
        return len(self.tokenizer(text).input_ids)

    def prepare_src_latents(
        self, device: Any, dtype: Any, *args: Any, src_audio: Tensor | None = None, **options: Any
    ) -> tuple[Tensor, int]:
        """Encode the source as its content says; the library also asks for silence here, which is no draw."""
        source = self._call.conditioning.source
        latents: tuple[Tensor, int]
        if src_audio is None or source is None:
            latents = super().prepare_src_latents(device, dtype, *args, **options)
            return latents
        with self._call.encoding(), seeded_by(source.sha256, torch.device(device)):
            latents = super().prepare_src_latents(device, dtype, *args, src_audio=src_audio, **options)
        return latents

    def prepare_reference_audio_latents(
        self, reference_audio: Tensor, batch_size: int, device: Any, dtype: Any
    ) -> tuple[Tensor, Tensor]:
        """Encode the reference as its content says."""
        reference = self._call.conditioning.reference
        assert reference is not None
        latents: tuple[Tensor, Tensor]
        with self._call.encoding(), seeded_by(reference.sha256, torch.device(device)):
            latents = super().prepare_reference_audio_latents(reference_audio, batch_size, device, dtype)
        return latents

    def prepare_latents(self, batch_size: int, audio_duration: float, *args: Any, **options: Any) -> Tensor:
        """Draw the start noise for exactly the frames of the context.

        The library divides the frames by 25 and rounds the product with 25 up again; for about one length in
        sixteen (411 frames, 16.44 s) that is one frame too many, and the call fails.
        """
        exact_s = self._inside_last_frame_s(round(audio_duration * self.latents_per_second))
        noise: Tensor = super().prepare_latents(batch_size, exact_s, *args, **options)
        return noise

    def _inside_last_frame_s(self, frames: int) -> float:
        """Return a length that the library rounds up to exactly these frames."""
        return (frames - 0.5) / float(self.latents_per_second)
