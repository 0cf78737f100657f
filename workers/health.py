"""Tells a broken machine from a broken task, by how the children of one slot ended."""

from app.domain.task import TaskId

# A task that kills its child is the likelier cause until as many different ones did.
BROKEN_AFTER = 3


class Health:
    """Deaths of children in a row; a job that worked ends the row."""

    def __init__(self) -> None:
        self._deaths: dict[int, TaskId] = {}

    @property
    def is_broken(self) -> bool:
        """Whether three children in a row have died, each with another task."""
        return len(set(self._deaths.values())) >= BROKEN_AFTER

    def died(self, pid: int, task_id: TaskId, *, computing: bool) -> None:
        """Note that this child died with this task in it.

        Args:
            computing: the model was at work for this task; else its files were being written, and the task
                in the model is blamed if there was one.
        """
        if computing:
            self._deaths[pid] = task_id
        else:
            self._deaths.setdefault(pid, task_id)

    def worked(self) -> None:
        """Note that a child did what it was asked."""
        self._deaths.clear()
