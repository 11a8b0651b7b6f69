// What is measured, the same in a page and in Node: trainings side by side in turns, their losses compared; and whether memory stays as it is.

// Steps of a sample, with one wait for the loss at its end; and steps before the first sample, whose losses are compared.
const STEPS = { linreg_b16: 20, mlp_b64: 10, cnn_b64: 5, transformer: 5 };
const COMPARED = { linreg_b16: 20, mlp_b64: 20, cnn_b64: 5, transformer: 10 };
export const WORKLOADS = Object.keys(STEPS);

// Milliseconds of a step above which an engine is slow.
const SLOW = 300;

// What two engines may differ by: they sum in other orders.
const TOLERANCE = 2e-4;

const median = (times) => {
  const sorted = [...times].sort((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
};

// What is done once, or once a plan has run some hundred times, is done before the clock starts.
async function warm(training) {
  const begun = performance.now();
  for (let taken = 0; taken < 300 && performance.now() - begun < 5_000; taken += 10) await training.steps(10);
}

/**
 * Times trainings of one workload in turns. `makers` have a function for each engine, which opens its training; the first one's loss is what all others must
 * have. Gives for each engine its loss, median and best milliseconds of a step, or why it cannot train this.
 */
export async function race(workload, makers, seconds) {
  const found = {};
  const running = [];
  for (const [name, make] of Object.entries(makers)) {
    try {
      const training = await make();
      const start = performance.now();
      const loss = await training.steps(COMPARED[workload]);
      // One that takes long is timed step by step.
      const slow = (performance.now() - start) / COMPARED[workload] > SLOW;
      if (!slow) await warm(training);
      running.push({ name, training, times: [], steps: slow ? 1 : STEPS[workload] });
      found[name] = { loss };
    } catch (error) {
      found[name] = { cannot: String(error.message ?? error).split('\n')[0] };
    }
  }
  const [first] = Object.values(found);
  for (const { loss } of Object.values(found)) {
    if (loss !== undefined && !(Math.abs(loss - first.loss) <= TOLERANCE * Math.abs(first.loss))) {
      throw new Error(`${workload}: losses differ: ${JSON.stringify(found)}`);
    }
  }
  const begun = performance.now();
  for (let round = 0; round < 5 || (performance.now() - begun < 1000 * seconds * running.length && round < 200); round += 1) {
    // The order is turned round each time.
    for (const { training, times, steps } of round % 2 ? running.toReversed() : running) {
      const start = performance.now();
      await training.steps(steps);
      times.push((performance.now() - start) / steps);
    }
  }
  for (const { name, times } of running) Object.assign(found[name], { median: median(times), best: Math.min(...times), samples: times.length });
  for (const { training } of running) training.free();
  return found;
}

/** Takes so many steps, a hundred at a time, and gives what `look` sees of memory after the first tenth, 300 at least, and at the end. */
export async function memory(take, steps, look) {
  const all = async (count) => { for (let taken = 0; taken < count; taken += 100) await take(Math.min(100, count - taken)); };
  // Small dispatches are merged after 256 runs.
  const first = Math.max(300, Math.round(steps / 10));
  await all(first);
  const before = await look();
  await all(steps - first);
  return { before, after: await look() };
}
