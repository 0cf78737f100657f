// What a clip can become, as a menu.

/** Lists the entries of a clip's menu; `job` is the card it stands on, if any. */
export function clipMenu({ t, caller, offer }, act, source, job) {
  const { tasks } = offer();
  const closed = (task) => (tasks.size && !tasks.has(task) ? t("form.task_closed") : null);
  const lacks = caller()?.scopes.includes("tasks:delete") === false ? t("error.scope", { scope: "tasks:delete" }) : null;
  const isTask = Boolean(source.task_id);
  const as = (task) => ({ label: t(`clip.as.${task}`), action: () => act.useAs(task, source), reason: closed(task) });
  return [
    { label: t("clip.to_track"), symbol: "track", action: () => act.toTimeline(source) },
    { label: t("clip.save"), symbol: "download", action: () => act.download(source) },
    "-",
    ...["cover", "repaint", "lego", "extract", "complete"].map(as),
    { label: t("clip.as.reference"), symbol: "headphones", action: () => act.useAsReference(source) },
    "-",
    ...(isTask ? [
      { label: t("clip.new_seed"), symbol: "retry", action: () => act.again(job ?? jobOf(source), "new") },
      { label: t("clip.same_seed"), action: () => act.again(job ?? jobOf(source), "same") },
    ] : []),
    { label: t("clip.copy_seed"), symbol: "copy", action: () => act.copy(String(source.seed ?? "")) },
    ...(isTask ? [
      { label: t("clip.copy_parameters"), action: () => act.copyParameters(source) },
      { label: t("clip.details"), symbol: "info", action: () => act.details(source) },
      { label: t("clip.delete"), symbol: "trash", action: () => act.erase(source, job), reason: lacks },
    ] : []),
  ];
}

/** Stands in for the card of a clip that came from the library. */
const jobOf = (source) => ({ id: source.task_id, state: "succeeded", title: source.name, task: source.task ?? "text2music", takes: 1, request: null });
