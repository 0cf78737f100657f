"""A client of the API for Python programs; it uses public routes only and imports nothing of the service.

from app.client import Client

with Client("http://127.0.0.1:8001") as client:
    task_id = client.submit(prompt="calm piano", audio_duration=30)
    result = client.wait(task_id, on_progress=lambda seen: print(seen.progress_text))
    client.download(result.files[0], Path("piano.mp3"))
"""

from app.client.answers import ListedOutput, ListedTask, TaskResult
from app.client.asynchronous import AsyncClient
from app.client.errors import ApiError, TaskFailedError
from app.client.sync import Client

__all__ = [
    "ApiError",
    "AsyncClient",
    "Client",
    "ListedOutput",
    "ListedTask",
    "TaskFailedError",
    "TaskResult",
]
