import { FastifyInstance } from 'fastify';
import { Backend } from '../backend.js';
import { controlActions } from './control-actions.js';
import { controlView, knownJob, readBody } from './control-view.js';
import { faultRule } from '../jobs/fault-rules.js';
import { jobSwitches } from '../faults/faults.js';
import { platformSwitches } from '../faults/platform-switches.js';
import { count, describe, group } from '../faults/switches.js';

const clockMove = group('moves the clock forward', {
  ms: count('milliseconds'),
  seconds: count('seconds'),
  minutes: count('minutes'),
  hours: count('hours'),
});
const clockSpeed = group('sets the speed of the clock', {
  speed: count('virtual ms per real ms'),
});

/** The routes by which tests and demos control the sandbox. They need no API key. */
export function controlRoutes(control: FastifyInstance, backend: Backend): void {
  const { clock, deliveries, jobs, platform, rules, uploads } = backend;
  controlActions(control, backend);

  control.get('/switches', () => ({
    sim: describe(jobSwitches),
    rule: describe(faultRule),
    platform: describe(platformSwitches),
  }));
  control.get('/state', () => ({
    now: new Date(clock.now()).toISOString(),
    speed: clock.speed,
    platform: platform.current,
    rules: rules.list(),
    jobs: jobs.all().length,
    deliveries: deliveries.all().length,
    uploads: uploads.all().map(({ fileId, file }) => ({ fileId, bytes: file?.bytes ?? null })),
  }));
  control.get('/jobs', () => jobs.all().map((job) => controlView(backend, job)));
  control.get<{ Params: { id: string } }>('/jobs/:id', ({ params }) =>
    controlView(backend, knownJob(backend, params.id)),
  );
  control.get<{ Querystring: { job?: string } }>('/deliveries', ({ query }) =>
    query.job === undefined ? deliveries.all() : deliveries.ofJob(query.job),
  );

  control.get('/faults', () => rules.list());
  control.post('/faults', ({ body }) => {
    rules.add(readBody(faultRule, body));
    return rules.list();
  });
  control.delete('/faults', () => {
    rules.clear();
    return [];
  });
  control.post('/platform', ({ body }) => platform.set(readBody(platformSwitches, body)));

  control.post('/clock/advance', async ({ body }) => {
    const { ms = 0, seconds = 0, minutes = 0, hours = 0 } = readBody(clockMove, body);
    await clock.advance(ms + 1_000 * (seconds + 60 * (minutes + 60 * hours)));
    return { now: new Date(clock.now()).toISOString() };
  });
  control.post('/clock/speed', ({ body }) => {
    const { speed = 1 } = readBody(clockSpeed, body);
    clock.setSpeed(speed);
    return { speed };
  });
  control.post('/reset', () => {
    backend.reset();
    return {};
  });
}
