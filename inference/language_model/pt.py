"""The backend on transformers: everything the language model can do, on any device."""

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM, GenerationConfig, LogitsProcessorList
from transformers.utils import logging as transformers_logging

from inference.device import device_errors
from inference.errors import ModelLoadError
from inference.halves import in_halves_if_needed
from inference.language_model.backend import (
    Capability,
    LMOutput,
    LMRequest,
    OnTokens,
    Sampling,
    ShouldCancel,
)
from inference.language_model.choose import ChooseTokens
from inference.language_model.tokens import Tokens

MAX_ROWS = 8
"""Requests in one batch; with guidance the model sees twice as many rows."""

# Below this size the threads of one operation wait for each other longer than they work.
_THREADS_FROM_PARAMETERS = 10_000_000
# Of the free memory, what the cache of keys and values may take; activations need the rest.
_CACHE_SHARE = 0.7


class PtBackend:
    """See `inference.language_model.backend.LMBackend`."""

    name = "pt"
    capabilities: frozenset[Capability] = frozenset({"cfg", "seed", "grammar", "penalty"})

    def __init__(self, folder: Path, tokens: Tokens, *, device: torch.device, offload: bool = False) -> None:
        """Load a model.

        Args:
            offload: keep the weights in main memory between calls.

        Raises:
            ModelLoadError: the files are broken.
            OutOfMemory, DeviceError: the device cannot take the weights.
        """
        self._tokens = tokens
        self._device = device
        self._offload = offload
        transformers_logging.disable_progress_bar()
        with device_errors():
            self._network: Any = _read(folder, torch.bfloat16 if device.type == "cuda" else torch.float32)
            self._network.to("cpu" if offload else device).eval()
        # A model's own defaults (temperature, top-k) must not mix with those of a request.
        self._network.generation_config = GenerationConfig()
        if self._network.get_output_embeddings().weight.shape[0] != tokens.vocabulary.size:
            raise ModelLoadError("the weights of the language model do not fit its configuration")

    def generate(
        self, requests: Sequence[LMRequest], on_tokens: OnTokens, should_cancel: ShouldCancel
    ) -> list[LMOutput]:
        """Answer the rows, in their order.

        Raises:
            Cancelled: asked to stop.
            LMOutputInvalid: a grammar cannot be followed.
            OutOfMemory: also with half of a batch.
            DeviceError: the run failed.
        """
        self._network.to(self._device)
        answers: dict[int, LMOutput] = {}
        wanted = sum(request.length for request in requests)
        before = 0
        for chunk in self._chunks(requests):
            rows = [requests[place] for place in chunk]
            on_chunk = partial(_report, on_tokens, before, wanted)
            run = partial(self._run, on_tokens=on_chunk, should_cancel=should_cancel)
            parts = in_halves_if_needed(run, rows, free_memory=self._free_memory)
            answers.update(zip(chunk, [output for part in parts for output in part], strict=True))
            before += sum(row.length for row in rows)
        return [answers[place] for place in range(len(requests))]

    def warmup(self) -> None:
        """Make a few audio codes and a few tokens of text."""
        rows = [
            LMRequest(prompt="<|im_start|>", negative="<|im_start|>", seed=0, n_codes=2, sampling=sampling)
            for sampling in (Sampling(), Sampling(cfg_scale=2.0))
        ]
        self.generate(rows, lambda done, wanted: None, lambda: False)

    def rest(self) -> None:
        """Move the weights to main memory, if they are to live there."""
        if self._offload:
            self._network.to("cpu")
            self._free_memory()

    def close(self) -> None:
        """Drop the weights."""
        del self._network
        self._free_memory()

    def _chunks(self, requests: Sequence[LMRequest]) -> Iterator[list[int]]:
        """Yield places of requests that can share a batch: asked alike, and not too many for the memory."""
        alike: dict[tuple[Any, ...], list[int]] = {}
        for place, request in enumerate(requests):
            kind = (request.n_codes, request.grammar is None, request.is_guided, request.max_tokens)
            alike.setdefault((*kind, request.stop_token_ids, request.sampling), []).append(place)
        for places in alike.values():
            size = self._rows_at_once([requests[place] for place in places])
            for start in range(0, len(places), size):
                yield places[start : start + size]

    def _rows_at_once(self, requests: Sequence[LMRequest]) -> int:
        if self._device.type != "cuda":
            return MAX_ROWS
        config = self._network.config
        token_bytes = (
            2
            * config.num_hidden_layers
            * config.num_key_value_heads
            * config.head_dim
            * self._network.dtype.itemsize
        )
        longest = max(len(self._tokens.encode(request.prompt)) + request.length for request in requests)
        row_bytes = token_bytes * longest * (2 if requests[0].is_guided else 1)
        free, _ = torch.cuda.mem_get_info(self._device)
        free += torch.cuda.memory_reserved(self._device) - torch.cuda.memory_allocated(self._device)
        return max(1, min(MAX_ROWS, int(free * _CACHE_SHARE / row_bytes)))

    def _run(
        self, rows: Sequence[LMRequest], on_tokens: OnTokens, should_cancel: ShouldCancel
    ) -> list[LMOutput]:
        """Generate one batch: the rows and, with guidance, their negative prompts behind them."""
        choose = ChooseTokens(
            rows,
            self._tokens.vocabulary,
            self._tokens.table,
            on_tokens=on_tokens,
            should_cancel=should_cancel,
        )
        prompts = [row.prompt for row in rows]
        if rows[0].is_guided:
            prompts += [row.negative or "" for row in rows]
        batch = self._tokens.tokenizer(
            prompts, add_special_tokens=False, padding=True, padding_side="left", return_tensors="pt"
        ).to(self._device)
        stops = rows[0].stop_token_ids
        with torch.inference_mode(), device_errors(), self._few_threads():
            sequences = self._network.generate(
                input_ids=batch["input_ids"],
                attention_mask=batch["attention_mask"],
                logits_processor=LogitsProcessorList([choose]),
                generation_config=GenerationConfig(
                    do_sample=False,
                    max_new_tokens=rows[0].length,
                    eos_token_id=list(stops) or None,
                    pad_token_id=self._tokens.vocabulary.pad,
                ),
            )
        answers = sequences[: len(rows), batch["input_ids"].shape[1] :].tolist()
        return [self._output(row, answer) for row, answer in zip(rows, answers, strict=True)]

    @contextmanager
    def _few_threads(self) -> Iterator[None]:
        """Use one thread for a tiny model; the caller's number comes back afterwards."""
        threads = torch.get_num_threads()
        if self._network.num_parameters() < _THREADS_FROM_PARAMETERS:
            torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(threads)

    def _output(self, row: LMRequest, answer: Sequence[int]) -> LMOutput:
        if row.n_codes is not None:
            codes = tuple(token - self._tokens.vocabulary.first_code for token in answer)
            return LMOutput(token_ids=tuple(answer), text="", codes=codes, finish="stop")
        end = next((place for place, token in enumerate(answer) if token in row.stop_token_ids), None)
        tokens = answer if end is None else answer[: end + 1]
        return LMOutput(
            token_ids=tuple(tokens),
            text=self._tokens.decode(tokens),
            codes=None,
            finish="length" if end is None else "stop",
        )

    def _free_memory(self) -> None:
        gc.collect()
        if self._device.type == "cuda":
            torch.cuda.empty_cache()


def _report(on_tokens: OnTokens, before: int, wanted: int, done: int, of_chunk: int) -> None:
    on_tokens(before + done, wanted)


def _read(folder: Path, dtype: torch.dtype) -> Any:
    try:
        return AutoModelForCausalLM.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, trust_remote_code=False, dtype=dtype
        )
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise ModelLoadError("the weights of the language model cannot be read") from error
