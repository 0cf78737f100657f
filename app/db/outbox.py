"""The outbox of webhooks: part of every statement that changes the state of a task."""


def tell(changed: str, event: str, *, is_final: bool) -> str:
    """Return a part of a statement that writes a delivery for everyone who wants to hear of a change.

    Args:
        changed: part of the statement that returns the changed rows.
        event: SQL of the event's name.
        is_final: the task has ended, so that its own webhook is told too.
    """
    of_task = f"""
        UNION ALL
        SELECT NULL, p.webhook_url FROM task_params p
        WHERE p.task_seq = {changed}.seq AND p.webhook_url IS NOT NULL"""  # noqa: S608
    return f"""
, told AS (
    INSERT INTO webhook_deliveries (id, team_id, endpoint_id, url, task_seq, event, body)
    SELECT gen_random_uuid(), {changed}.team_id, target.id, target.url, {changed}.seq, {event},
           jsonb_build_object('state', {changed}.status, 'error_code', {changed}.error_code,
                              'error', {changed}.error_message)
    FROM {changed} CROSS JOIN LATERAL (
        SELECT w.id, w.url FROM webhook_endpoints w
        WHERE w.team_id = {changed}.team_id AND w.active AND {event} = ANY(w.events)\
{of_task if is_final else ""}
    ) AS target(id, url)
    WHERE {changed}.kind = 'generate' AND {changed}.status <> 'queued'
)"""  # noqa: S608 - parts of this file only
