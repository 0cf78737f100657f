"""The optional backend on vLLM, in this process and on CUDA only.

It declares what vLLM 0.32 and 0.33 can do by themselves. They have no guidance, and their repetition penalty
also counts the prompt, so requests with either go to `pt` until `pairing` has been proven on a GPU.
"""

import json
import os
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from inference.device import device_errors
from inference.errors import Cancelled
from inference.language_model.backend import (
    Capability,
    LMOutput,
    LMRequest,
    OnTokens,
    Sampling,
    ShouldCancel,
)
from inference.language_model.pairing import Pairing, group_argument
from inference.language_model.tokens import Tokens
from inference.language_model.vocabulary import Vocabulary

CAPABILITIES: frozenset[Capability] = frozenset({"seed", "grammar"})
WITH_PAIRING: frozenset[Capability] = CAPABILITIES | {"cfg", "penalty"}

MAX_ROWS = 8
_MODEL_TOKENS = 5120
_BYTES_PER_NUMBER = 2


class VllmBackend:
    """See `inference.language_model.backend.LMBackend`."""

    name = "vllm"

    def __init__(self, folder: Path, tokens: Tokens, *, pairing: bool = False) -> None:
        """Start the engine; nothing else may take or free memory of the device meanwhile.

        Args:
            pairing: draw every token ourselves, which brings guidance; unproven.
        """
        os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
        os.environ["VLLM_USE_V2_MODEL_RUNNER"] = "1"
        from vllm import LLM

        self._tokens = tokens
        self._pairing = pairing
        self._ids = map(str, count())
        self.capabilities = WITH_PAIRING if pairing else CAPABILITIES
        processors = [_processor_class()] if pairing else None
        with device_errors():
            self._engine: Any = LLM(**engine_options(folder), logits_processors=processors).llm_engine

    def generate(
        self, requests: Sequence[LMRequest], on_tokens: OnTokens, should_cancel: ShouldCancel
    ) -> list[LMOutput]:
        """Answer the rows, in their order.

        Raises:
            Cancelled: asked to stop.
            OutOfMemory, DeviceError: the run failed.
        """
        wanted = sum(request.length for request in requests)
        outputs: list[LMOutput] = []
        for start in range(0, len(requests), MAX_ROWS):
            rows = requests[start : start + MAX_ROWS]
            with device_errors():
                for made in self._run(rows, outputs, should_cancel):
                    on_tokens(sum(len(output.token_ids) for output in outputs) + made, wanted)
        on_tokens(wanted, wanted)
        return outputs

    def warmup(self) -> None:
        """Answer one constrained request: the first one reads the tokenizer for many seconds."""
        row = LMRequest(prompt="<|im_start|>", seed=0, n_codes=2, sampling=Sampling())
        self.generate([row], lambda made, wanted: None, lambda: False)

    def rest(self) -> None:
        """Stay: sleeping has been reported to leak (vLLM issue 47654)."""

    def close(self) -> None:
        """Drop the engine."""
        del self._engine

    def _run(
        self, rows: Sequence[LMRequest], outputs: list[LMOutput], should_cancel: ShouldCancel
    ) -> Iterator[int]:
        """Work one batch step by step and yield the tokens made so far; then add its answers to `outputs`."""
        row_of = self._add(rows)
        made: dict[int, Sequence[int]] = {}
        try:
            while self._engine.has_unfinished_requests():
                if should_cancel():
                    raise Cancelled("cancelled")
                for answer in self._engine.step():
                    if (row := row_of.get(answer.request_id)) is not None:
                        made[row] = answer.outputs[0].token_ids
                yield sum(map(len, made.values()))
        finally:
            self._engine.abort_request(list(row_of))
        outputs += [read_answer(row, made[place], self._tokens) for place, row in enumerate(rows)]

    def _add(self, rows: Sequence[LMRequest]) -> dict[str, int | None]:
        """Hand all requests over before the first step; the value is the row, None for a negative prompt."""
        from vllm import SamplingParams
        from vllm.sampling_params import StructuredOutputsParams

        added: dict[str, int | None] = {}
        for place, request in enumerate(rows):
            group = next(self._ids)
            prompts = [request.prompt, *([request.negative or ""] if request.is_guided else [])]
            for prompt, is_negative in zip(prompts, (False, True), strict=False):
                options = sampling_options(request, self._tokens.vocabulary, pairing=self._pairing)
                if grammar := options.pop("grammar"):
                    options["structured_outputs"] = StructuredOutputsParams(grammar=grammar)
                if self._pairing:
                    options["extra_args"] = group_argument(
                        group, request, self._tokens.vocabulary, is_negative=is_negative
                    )
                name = next(self._ids)
                added[name] = None if is_negative else place
                tokens = {"prompt_token_ids": self._tokens.encode(prompt)}
                self._engine.add_request(name, tokens, SamplingParams(**options))
        return added


def engine_options(folder: Path) -> dict[str, Any]:
    """Return the arguments of `vllm.LLM`.

    The cache has a fixed size, which holds every row at full length: nothing is ever preempted, and vLLM does
    not measure a device that a diffusion model shares.
    """
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    rows = 2 * MAX_ROWS
    numbers = 2 * config["num_hidden_layers"] * config["num_key_value_heads"] * config["head_dim"]
    return {
        "model": str(folder),
        "load_format": "safetensors",
        "trust_remote_code": False,
        "dtype": "bfloat16",
        "max_model_len": _MODEL_TOKENS,
        "max_num_seqs": rows,
        # All prompts of a call in one step: the rows of a pair must never be apart.
        "max_num_batched_tokens": rows * _MODEL_TOKENS,
        "kv_cache_memory_bytes": rows * _MODEL_TOKENS * numbers * _BYTES_PER_NUMBER,
        "structured_outputs_config": {"backend": "guidance"},
        "enable_prefix_caching": False,
        "generation_config": "vllm",
        "disable_log_stats": True,
    }


def sampling_options(request: LMRequest, vocabulary: Vocabulary, *, pairing: bool) -> dict[str, Any]:
    """Return the arguments of `vllm.SamplingParams`; `grammar` is the text of one, or None.

    Without pairing vLLM draws, and every limit on tokens is a grammar: Model Runner V2 takes no list of more
    than 1024 allowed tokens. With it our own draw follows, on raw logits behind the grammar of a block.
    """
    sampling = request.sampling
    drawn_by_vllm = {
        "temperature": max(sampling.temperature, 0.0),
        "top_k": sampling.top_k or 0,
        "top_p": sampling.top_p,
        "seed": request.seed,
    }
    grammar = request.grammar
    if request.n_codes is not None and not pairing:
        grammar = codes_grammar(request.n_codes, vocabulary)
    elif grammar is None and request.n_codes is None:
        grammar = text_grammar(request.stop_token_ids, vocabulary)
    return {
        **({"temperature": 0.0} if pairing else drawn_by_vllm),
        "grammar": grammar,
        "max_tokens": request.length,
        "stop_token_ids": list(request.stop_token_ids),
        "ignore_eos": True,
        "detokenize": False,
    }


def codes_grammar(n_codes: int, vocabulary: Vocabulary) -> str:
    """Return the grammar of so many audio codes."""
    first = vocabulary.first_code
    return f"start: code{{{n_codes}}}\ncode: <[{first}-{first + vocabulary.codes - 1}]>\n"


def text_grammar(stops: Sequence[int], vocabulary: Vocabulary) -> str:
    """Return the grammar of a text without audio codes that ends with one of the stops."""
    ends = ",".join(map(str, sorted(stops)))
    others = f"{vocabulary.first_code}-{vocabulary.size - 1}"
    return f"start: any* <[{ends}]>\nany: <[^{ends},{others}]>\n"


def read_answer(request: LMRequest, token_ids: Sequence[int], tokens: Tokens) -> LMOutput:
    """Return vLLM's answer to a request as ours."""
    if request.n_codes is not None:
        codes = tuple(token - tokens.vocabulary.first_code for token in token_ids)
        return LMOutput(token_ids=tuple(token_ids), text="", codes=codes, finish="stop")
    has_ended = bool(token_ids) and token_ids[-1] in request.stop_token_ids
    return LMOutput(
        token_ids=tuple(token_ids),
        text=tokens.decode(token_ids),
        codes=None,
        finish="stop" if has_ended else "length",
    )


def _processor_class() -> Any:
    """Return `Pairing` as a logits processor of vLLM, whose base class is only there with vLLM."""
    from vllm.v1.worker.gpu.sample.logits_processor.interface import LogitsProcessor

    class PairProcessor(LogitsProcessor):  # type: ignore[misc]  # vLLM is not there when types are checked
        """See `inference.language_model.pairing`."""

        def __init__(self, vllm_config: Any, req_states: Any) -> None:
            self._pairing = Pairing()

        def add_request(self, req_idx: int, sampling_params: Any) -> bool:
            return self._pairing.add(req_idx, sampling_params.extra_args)

        def apply(self, logits: Any, ctx: Any) -> Any:
            return self._pairing.apply(logits, ctx.idx_mapping_np.tolist())

    return PairProcessor
