// Says in words what happens to jobs, for people who do not see the bars.

/** Speaks when a job is queued, starts, passes each quarter, and ends. */
export function announce({ store, voice, t }) {
  const said = new Map(store.state.jobs.map((job) => [job.key, markOf(job)]));
  store.watch((state) => state.jobs, (jobs) => {
    for (const job of jobs) {
      const mark = markOf(job);
      if (said.get(job.key) === mark) continue;
      said.set(job.key, mark);
      const text = t(`say.${job.state}`, { title: (job.title || t("jobs.untitled")).slice(0, 60), percent: quarter(job) * 25 });
      if (job.state === "failed" || job.state === "refused") voice.alarm(text);
      else voice.say(text);
    }
  });
}

const quarter = ({ progress }) => Math.floor((progress ?? 0) * 4);
const markOf = (job) => (job.state === "running" ? `running ${quarter(job)}` : job.state);
