import { setTimeout } from 'node:timers/promises';
import { awaitArrivals, takeArrivals } from './arrivals.js';
import { Connection, requestBytes } from './connection.js';
import { median, percentile } from './statistics.js';
import { steadyMs } from './steady-clock.js';
import { SUBMISSION, submissionHeaders } from './submissions.js';
import type { World } from './world.js';

const SAMPLES = 150;
/** Without pauses: the compiler wants many. */
const WARM_UP = 400;
const WANTED_MS = 20;

/** From the 202 to the request that reaches the upstream, when there is nothing else to do. */
export async function measureLatency(world: World, say: (line: string) => void): Promise<void> {
  say(`from the 202 of a submission to its arrival upstream, idle, ${SAMPLES} times;`);
  say('the gateway has ROLES=api,worker');
  const upstream = await world.run('upstream', 'dist/test/bench/upstream.js', {});
  const { process } = await world.gateway('api,worker', {
    environment: { REDUCTO_BASE_URL: upstream.url },
  });
  const url = `${process.url}/v1/jobs`;
  const headers = submissionHeaders(await world.keys.createApiKey(process.url));
  const request = requestBytes(url, 'POST', headers, SUBMISSION);
  const connection = await Connection.open(url);
  const accepted = new Map<string, number>();
  const answerMs: number[] = [];
  for (let n = 0; n < WARM_UP + SAMPLES; n++) {
    const begin = steadyMs();
    const { status, body } = await connection.ask(request);
    const at = steadyMs();
    if (status !== 202) throw new Error(`a submission was answered with ${status}: ${body}`);
    if (n >= WARM_UP) {
      accepted.set(String((JSON.parse(body) as { id: unknown }).id), at);
      answerMs.push(at - begin);
    }
    // Not in step with anything that is periodic.
    if (n >= WARM_UP) await setTimeout(30 + Math.random() * 40);
    else if (n === WARM_UP - 1) await awaitArrivals(upstream.url, WARM_UP, 60);
  }
  connection.close();
  await awaitArrivals(upstream.url, WARM_UP + SAMPLES, 30);
  const waits = (await takeArrivals(upstream.url)).flatMap(({ job, at }) => {
    const from = accepted.get(job ?? '');
    return from === undefined ? [] : [at - from];
  });
  const p50 = median(waits);
  const good = p50 < WANTED_MS ? '✓' : '✗';
  say(`  the 202 itself: p50 ${median(answerMs).toFixed(1)} ms`);
  say(
    `  ${good} 202 → upstream: p50 ${p50.toFixed(1)} ms, p99 ${percentile(waits, 0.99).toFixed(1)} ms, wanted p50 below ${WANTED_MS}`,
  );
}
