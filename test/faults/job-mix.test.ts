import { expect, it } from 'vitest';
import { jobSwitches } from '../../src/sandbox/faults/faults.js';
import { readSwitches } from '../../src/sandbox/faults/switches.js';
import { JOB_FAULTS } from './job-faults.js';
import { MARKERS, planJobs, type PlannedJob } from './job-mix.js';
import { documentOf, requestOf } from './requests.js';

const jobs = planJobs(7, 8_000, 60_000);

it('is the same for the same seed, and another for another', () => {
  expect(planJobs(7, 50, 1_000)).toEqual(planJobs(7, 50, 1_000));
  expect(planJobs(7, 50, 1_000)).not.toEqual(planJobs(8, 50, 1_000));
});

it('has every fault of a job, in switches that the sandbox knows', () => {
  const names = Object.values(JOB_FAULTS).flatMap(({ faults }) => faults.map(({ name }) => name));
  expect(new Set(jobs.flatMap(({ faults }) => faults))).toEqual(new Set(names));
  for (const { sim } of jobs)
    expect(readSwitches(jobSwitches, sim, ['sim'])).toMatchObject({ ok: true });
});

it('gives each job a marker of its own, or that of the job it builds upon', () => {
  const own = jobs.filter(({ buildsOn }) => buildsOn === undefined).map(({ marker }) => marker);
  expect(new Set(own).size).toBe(own.length);
  const followUps = jobs.filter(({ input }) => input === 'earlierJob');
  expect(followUps.length).toBeGreaterThan(20);
  for (const { buildsOn, marker, service } of followUps) {
    expect(buildsOn).toMatchObject({ marker, service });
  }
});

it('puts the marker, and no other, where the sandbox finds it', () => {
  const markersOf = (job: PlannedJob): string[] => {
    const request = JSON.stringify(requestOf(job, 'reference'));
    const text = job.input.startsWith('upload') ? request + documentOf(job) : request;
    return [...new Set(text.match(MARKERS))];
  };
  const direct = jobs.filter(({ input }) => input !== 'earlierJob');
  expect(direct.map(markersOf)).toEqual(direct.map(({ marker }) => [marker]));
});

it('has classify jobs, with faults that a synchronous call can have too', () => {
  const classify = jobs.filter(({ type }) => type === 'classify');
  expect(classify.length).toBeGreaterThan(500);
  const groups = new Set(
    classify.flatMap(({ faults }) => faults.map((name) => name.split(' ')[0])),
  );
  expect(groups).toEqual(new Set(['submit', 'webhook', 'poll']));
  expect(classify.every(({ cancelAfterMs }) => cancelAfterMs === undefined)).toBe(true);
});

it('expects of each job what its faults lead to', () => {
  const expectedWith = (fault: string): Set<string> =>
    new Set(
      jobs
        .filter(({ faults, type }) => faults.join() === fault && type === 'parse')
        .filter(({ cancelAfterMs, buildsOn }) => cancelAfterMs === undefined && !buildsOn)
        .map(({ expected }) => expected.join(' or ')),
    );
  expect(expectedWith('')).toEqual(new Set(['completed']));
  expect(expectedWith('fails')).toEqual(new Set(['failed_upstream']));
  expect(expectedWith('submit 422')).toEqual(new Set(['rejected_upstream']));
  expect(expectedWith('submit 401')).toEqual(new Set(['completed']));
  expect(expectedWith('submit createdButReset')).toEqual(new Set(['completed']));
  expect(expectedWith('result link never good')).toEqual(new Set(['result_unavailable']));
  expect(expectedWith('result link forbidden')).toEqual(new Set(['completed']));
  const endless = jobs.filter(({ sim }) => sim.stuck !== undefined);
  expect(endless.every(({ cancelAfterMs }) => cancelAfterMs !== undefined)).toBe(true);
  const cancelled = jobs.filter(({ cancelAfterMs }) => cancelAfterMs !== undefined);
  expect(cancelled.every(({ expected }) => expected.includes('cancelled'))).toBe(true);
});
