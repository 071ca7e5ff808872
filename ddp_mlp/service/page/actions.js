// What is done to runs: stop, resume, remove, each said when it is under way.

import { post, remove } from "./api.js";
import { say, toast, trouble } from "./dom.js";
import { count } from "./logic.js";
import { confirmed } from "./keys.js";
import { forget, keep } from "./store.js";

export const stop = async (job) => {
  try {
    keep(await post(`jobs/${job.id}/stop`));
    say(`${job.name} is told to stop; its state is saved`);
  } catch (error) { trouble(error); }
};

export const resume = async (job, overrides = null) => {
  try {
    keep(await post(`jobs/${job.id}/resume`, overrides ? { overrides } : {}));
    say(`${job.name} goes on`);
    return true;
  } catch (error) { trouble(error); return false; }
};

export const removeJobs = async (jobs) => {
  const one = jobs.length === 1 ? jobs[0].name : count(jobs.length, "run");
  const answer = await confirmed({
    title: `Remove ${one}?`, text: "It leaves the list. Its files stay unless you say otherwise; files that are removed do not come back.",
    yes: "Remove", checks: [{ label: "remove the run directories too: models, checkpoints, logs" }],
  });
  if (!answer) return false;
  let done = 0;
  for (const job of jobs) {
    try { await remove(`jobs/${job.id}?files=${answer[0]}`); forget(job.id); done += 1; } catch (error) { trouble(error); }
  }
  if (done) toast(`${done === 1 && jobs.length === 1 ? one : count(done, "run")} removed`);
  return done > 0;
};
