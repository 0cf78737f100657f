"""The process that owns one accelerator: `python -m workers.child FD`, started by a slot.

It sees no database, queue or store, so killing it at any moment is safe. Three kinds of threads: the main one
reads commands, one runs the model, a pool writes files. When the slot goes away, the process exits.
"""

import os
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from queue import Empty, SimpleQueue

from inference.audio.encode import encode
from inference.audio.wave import Computed, Wave
from inference.confine import die_with_parent
from inference.engine import Engine, make_engine
from inference.errors import Cancelled, EngineError
from inference.request import LANGUAGE_MODEL, GeneratedClip, GenerationResult, ModelInfo
from workers import protocol
from workers.failpoint import Failpoints

# Files written at a time; a request has at most eight items, and encoding is CPU work.
_ENCODER_THREADS = min(8, os.cpu_count() or 1)
_EXIT_POISONED = 70
# Files of an earlier job that a process about to end may still write.
WRITING_S = 60.0


class Child:
    """One engine behind one pipe."""

    def __init__(self, pipe: socket.socket, failpoints: Failpoints) -> None:
        self._pipe = pipe
        self._failpoints = failpoints
        self._send_lock = threading.Lock()
        self._jobs: SimpleQueue[protocol.Job | None] = SimpleQueue()  # None: look at the prompts
        self._prompts: SimpleQueue[protocol.Prompt] = SimpleQueue()
        self._cancelled: dict[str, threading.Event] = {}
        self._encoders = ThreadPoolExecutor(_ENCODER_THREADS, thread_name_prefix="encode")
        # One result is written at a time (600 s = 230 MB an item); the next one waits for it, and the model
        # with it.
        self._unwritten = threading.Semaphore(1)

    def serve(self) -> None:
        """Read commands until the slot says quit or is gone."""
        with self._pipe.makefile("rb") as lines:
            for line in lines:
                match protocol.decode_command(line):
                    case protocol.Start() as start:
                        threading.Thread(target=self._run_model, args=(start,), name="model").start()
                    case protocol.Job() as job:
                        self._cancelled[job.id] = threading.Event()
                        self._jobs.put(job)
                    case protocol.Prompt() as prompt:
                        self._cancelled[prompt.id] = threading.Event()
                        self._prompts.put(prompt)
                        self._jobs.put(None)
                    case protocol.Cancel(id=job_id):
                        if cancelled := self._cancelled.get(job_id):
                            cancelled.set()
                    case protocol.Quit():
                        return

    def _run_model(self, start: protocol.Start) -> None:
        """Body of the model thread; its end is the end of the process."""
        try:
            engine = self._start_engine(start)
            while True:
                job = self._jobs.get()
                self._answer_prompts(engine)
                if job is not None:
                    self._run_job(engine, job)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)

    def _start_engine(self, start: protocol.Start) -> Engine:
        begun = time.perf_counter()
        try:
            engine = make_engine(start.engine, start.options)
            built = time.perf_counter()
            if not start.options.lazy:
                for model in first_models(engine.models()):
                    engine.load(model)
        except Exception as error:
            self._report_failure("", error)
            raise
        seconds = {"engine": built - begun, "model": time.perf_counter() - built}
        self._send(protocol.Ready(models=engine.models(), loaded=engine.loaded(), seconds=seconds))
        return engine

    def _run_job(self, engine: Engine, job: protocol.Job) -> None:
        cancelled = self._cancelled[job.id]

        def on_progress(stage: str, done: int, total: int) -> None:
            self._send(protocol.Progress(id=job.id, stage=stage, done=done, total=total))
            if stage == "diffusing":
                self._failpoints.hit("child.step")
            if stage != "lm":  # then the language model is in the middle of its own work
                self._answer_prompts(engine)

        try:
            if cancelled.is_set():
                raise Cancelled("cancelled")
            self._failpoints.hit("child.before_compute")
            self._load(engine, job)
            computed = engine.compute(job.request, on_progress, cancelled.is_set)
            self._failpoints.hit("child.after_compute")
        except Exception as error:
            del self._cancelled[job.id]
            self._report_failure(job.id, error)
            return
        self._send(protocol.Computed(id=job.id))
        self._unwritten.acquire()
        threading.Thread(target=self._write, args=(job, computed), name="write").start()

    def _answer_prompts(self, engine: Engine) -> None:
        """Improve the texts that wait: between jobs, and between two steps of one, so none waits for long."""
        while True:
            try:
                prompt = self._prompts.get_nowait()
            except Empty:
                return
            cancelled = self._cancelled[prompt.id]
            try:
                if cancelled.is_set():
                    raise Cancelled("cancelled")
                result = engine.format_prompt(prompt.request, cancelled.is_set)
                self._send(protocol.Answered(id=prompt.id, result=result))
            except Exception as error:
                self._report_failure(prompt.id, error)
            finally:
                del self._cancelled[prompt.id]

    def _load(self, engine: Engine, job: protocol.Job) -> None:
        """Bring the job's model into memory and tell what is there then, whatever came of it."""
        model = job.request.model
        if model in engine.loaded():
            return
        self._send(protocol.Progress(id=job.id, stage="loading", done=0, total=1))
        begun = time.perf_counter()
        try:
            engine.load(model)
        finally:
            seconds = round(time.perf_counter() - begun, 3)
            self._send(protocol.Loaded(id=job.id, model=model, loaded=engine.loaded(), seconds=seconds))

    def _write(self, job: protocol.Job, computed: Computed) -> None:
        """Write the files of one job in the pool and report; runs beside the model."""
        begun = time.perf_counter()
        try:
            self._failpoints.hit("child.before_encode")
            clips = self._encode_all(job, computed.waves)
            self._failpoints.hit("child.after_encode")
            seconds = computed.seconds | {"saving": round(time.perf_counter() - begun, 4)}
            result = GenerationResult(
                clips=clips,
                song=computed.song,
                language=computed.language,
                effective=computed.effective,
                audit=computed.audit,
                seconds=seconds,
                peak_memory_bytes=computed.peak_memory_bytes,
            )
            self._send(protocol.Done(id=job.id, result=result))
        except Exception as error:
            self._report_failure(job.id, error)
        finally:
            del self._cancelled[job.id]
            self._unwritten.release()

    def _encode_all(self, job: protocol.Job, waves: tuple[Wave, ...]) -> tuple[GeneratedClip, ...]:
        written = 0
        lock = threading.Lock()

        def one(index: int, wave: Wave) -> GeneratedClip:
            nonlocal written
            clip = encode(
                wave,
                index=index,
                audio_format=job.request.audio_format,
                scratch_dir=Path(job.request.scratch_dir),
                should_cancel=self._cancelled[job.id].is_set,
            )
            with lock:
                written += 1
                self._send(protocol.Progress(id=job.id, stage="saving", done=written, total=len(waves)))
            return clip

        self._send(protocol.Progress(id=job.id, stage="saving", done=0, total=len(waves)))
        pending = [self._encoders.submit(one, index, wave) for index, wave in enumerate(waves)]
        wait(pending)  # also after an error: nothing may still write when the failure is told
        return tuple(future.result() for future in pending)

    def _report_failure(self, job_id: str, error: Exception) -> None:
        failed = failure(job_id, error)
        self._send(failed)
        if failed.poisons:
            self._unwritten.acquire(timeout=WRITING_S)  # files at hand need no accelerator
            os._exit(_EXIT_POISONED)

    def _send(self, report: protocol.Report) -> None:
        try:
            with self._send_lock:
                self._pipe.sendall(protocol.encode(report))
        except OSError:
            os._exit(0)  # the slot is gone


def first_models(offered: Sequence[ModelInfo]) -> list[str]:
    """Return the default model of each kind."""
    defaults = {model.category == LANGUAGE_MODEL: model.name for model in reversed(offered)}
    return [defaults[is_language] for is_language in sorted(defaults)]


def failure(job_id: str, error: Exception) -> protocol.Failed:
    """Describe an error for the slot; only the engine's own errors have a text for the public."""
    trace = "".join(traceback.format_exception(error))
    if isinstance(error, EngineError):
        return protocol.Failed(
            id=job_id,
            code=error.code,
            message=str(error),
            trace=trace,
            retryable=error.retryable,
            poisons=error.poisons_process,
            peak_memory_bytes=error.peak_memory_bytes,
        )
    return protocol.Failed(
        id=job_id,
        code="internal",
        message="the engine failed unexpectedly",
        trace=trace,
        # An error of the operating system (disk full, say) may pass; a mistake of ours will not.
        retryable=isinstance(error, OSError),
        poisons=False,
    )


def main() -> None:
    """Serve the socket whose inherited file descriptor is the only argument."""
    die_with_parent()  # Linux only; elsewhere the pipe's end has to do
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the supervisor, which ends us in order
    os.environ["HF_HUB_OFFLINE"] = "1"
    status = 1
    try:
        pipe = socket.socket(fileno=int(sys.argv[1]))
        Child(pipe, Failpoints(os.environ)).serve()
        status = 0
    except Exception:
        traceback.print_exc()
    finally:
        os._exit(status)  # other threads may be inside the model or an encoder


if __name__ == "__main__":
    main()
