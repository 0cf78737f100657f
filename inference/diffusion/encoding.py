"""First half of the pipeline: texts, source, reference and codes become conditions, each item by itself."""

from typing import Any

import torch
from diffusers import AceStepPipeline
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from inference.diffusion.attention import CrossMask
from inference.diffusion.call import Call
from inference.diffusion.conditioning import seeded_by
from inference.diffusion.tasks import TEXT_ONLY_INSTRUCTION
from inference.request import ItemSpec

# Where the library cuts prompt and lyrics, in tokens.
MAX_TOKENS = (256, 2048)


class EncodingPipeline(AceStepPipeline):  # type: ignore[misc]  # the library ships no type information
    """The library's pipeline with texts and metadata of each item, and inputs that are encoded repeatably."""

    _call: Call
    _cross_mask: CrossMask

    def encode_prompt(
        self, prompt: Any, lyrics: Any, device: Any, *, instruction: str, **_shared: Any
    ) -> tuple[Tensor, ...]:
        """Encode every item by itself, then pad to the longest; the library has one set of metas per batch.

        Returns:
            text states (items, tokens, width), text mask (items, tokens), lyric states and mask likewise.
        """
        call = self._call
        instructions = [item.instruction or instruction for item in call.items]
        call.token_counts = [self._count_tokens(*pair) for pair in zip(call.items, instructions, strict=True)]
        with call.encoding():
            if call.switch is not None:
                call.switch.take_texts(self._encode(device, [TEXT_ONLY_INSTRUCTION] * len(call.items)))
            return self._encode(device, instructions)

    def _encode(self, device: Any, instructions: list[str]) -> tuple[Tensor, ...]:
        limits = {"max_text_length": MAX_TOKENS[0], "max_lyric_length": MAX_TOKENS[1]}
        encoded = [
            super(EncodingPipeline, self).encode_prompt(
                item.prompt, item.lyrics, device, **self._metas(item), instruction=instruction, **limits
            )
            for item, instruction in zip(self._call.items, instructions, strict=True)
        ]
        return tuple(
            pad_sequence([part[0] for part in parts], batch_first=True)
            for parts in zip(*encoded, strict=True)
        )

    def _metas(self, item: ItemSpec) -> dict[str, Any]:
        return {
            "vocal_language": item.vocal_language,
            "audio_duration": self._call.duration_s,
            "bpm": item.bpm,
            "keyscale": item.keyscale,
            "timesignature": item.timesignature,
        }

    def _count_tokens(self, item: ItemSpec, instruction: str) -> tuple[int, int]:
        """Return how long prompt and lyrics are before the cut."""
        texts = self._format_prompt(item.prompt, item.lyrics, instruction=instruction, **self._metas(item))
        prompt, lyrics = (len(self.tokenizer(text).input_ids) for text in texts)
        return prompt, lyrics

    def prepare_src_latents(
        self, device: Any, dtype: Any, *args: Any, src_audio: Tensor | None = None, **options: Any
    ) -> tuple[Tensor, int]:
        """Encode the source as its content says; codes and silence, also asked for here, are no draw."""
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
