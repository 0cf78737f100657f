"""T18: the border of the engine and the parent's side of a slot need no model library."""

import subprocess
import sys

_PROGRAM = """
import sys
for name in ("torch", "diffusers", "transformers", "tokenizers", "safetensors", "llguidance"):
    sys.modules[name] = None  # an import of it raises ModuleNotFoundError
import inference, inference.engine, inference.errors, inference.models.registry, inference.request
import workers.slot, workers.protocol
heavy = ("inference.diffusion", "inference.language_model", "inference.music", "inference.tiny")
print(sorted(name for name in heavy if name in sys.modules))
"""


def test_importing_inference_and_the_slot_works_without_torch() -> None:
    done = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr
