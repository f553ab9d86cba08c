import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { WalkRecord, type Attempt, type SeenJob } from '../../src/jobs/recovery/walk-record.js';

const SECOND = 1000;
/** The attempt was sent from second 0 to second 2, by the database's clock. */
const START = Date.UTC(2026, 0, 2);
const attempt: Attempt = { begunAt: START, lastMomentAt: START + 2 * SECOND };

interface Listed extends SeenJob {
  readonly isHidden: boolean;
}

/** An entry created `at` seconds after the start of the attempt, by Reducto's clock. */
const entry = (upstreamId: string | null, at: number | null, isHidden = false): Listed => ({
  upstreamId,
  createdAt: at === null ? null : START + at * SECOND,
  submit: undefined,
  isHidden,
});
/** A job of the gateway, accepted a second before and submitted a second after `at`, by the database's clock. */
const known = (upstreamId: string, at: number, createdAt: number | null = at): Listed => ({
  ...entry(upstreamId, createdAt),
  submit: { acceptedAt: START + (at - 1) * SECOND, submittedAt: START + (at + 1) * SECOND },
});

function walked(pages: readonly (readonly Listed[])[], hasEnded: boolean): WalkRecord<Listed> {
  const record = new WalkRecord<Listed>();
  for (const page of pages) record.addPage(page);
  record.hasEnded = hasEnded;
  return record;
}
const isHidden = (job: Listed): boolean => job.isHidden;
const verdict = (record: WalkRecord<Listed>): 'absent' | 'undecided' =>
  record.reachesBack(attempt.begunAt) && !record.mayHide(attempt, isHidden)
    ? 'absent'
    : 'undecided';

describe('a walk that has not read the last page', () => {
  test.each<[string, string, Listed[]]>([
    ['absent', 'an older job of the gateway', [entry('a', 8), known('w', -20)]],
    [
      'undecided',
      'a job of the gateway accepted during the attempt',
      [entry('a', 8), known('w', -1)],
    ],
    ['undecided', 'an older job of the gateway alone', [known('w', -20)]],
    ['undecided', 'jobs in the wrong order', [known('w', -20), entry('a', 8)]],
    ['undecided', 'no dates', [entry('a', null), known('w', -20, null)]],
    ['absent', 'one entry without a date', [entry('a', 8), entry('b', null), known('w', -20)]],
    [
      'undecided',
      'a job that is 2 hours older, without a submit that compares the clocks',
      [entry('a', 8), entry('b', -7200)],
    ],
    ['absent', 'a job that is 27 hours older', [entry('a', 8), entry('b', -97_200)]],
    [
      'absent',
      'a job that is 90 s older by a submit that compares the clocks',
      [known('k', 6, 3606), entry('b', 3510)],
    ],
    [
      'undecided',
      'a job that is 30 s older by a submit that compares the clocks',
      [known('k', 6, 3606), entry('b', 3570)],
    ],
    [
      'undecided',
      'a job that is older only by a date in a far future',
      [known('k', 6, 1e9), entry('b', 60)],
    ],
  ])('is %s with %s', (expected, _, jobs) => {
    expect(verdict(walked([jobs], false))).toBe(expected);
  });

  test('keeps its order if new jobs push seen ones to the next page', () => {
    const pages = [
      [entry('a', 20), entry('b', 10)],
      [entry('a', 20), entry('b', 10), entry('c', 5), known('w', -20)],
    ];
    expect(verdict(walked(pages, false))).toBe('absent');
  });
});

describe('a walk that has read the last page', () => {
  test.each<[string, string, Listed[]]>([
    ['absent', 'no job', []],
    ['absent', 'jobs in any order', [entry('a', -8), entry('b', 8)]],
    ['undecided', 'a hidden job of that time', [entry('a', 1, true)]],
    ['undecided', 'a hidden job without a date', [entry('a', null, true)]],
    ['undecided', 'a hidden job without an id', [entry(null, 1, true)]],
    [
      'undecided',
      'a hidden job 2 hours before by a clock that nothing compares',
      [entry('a', -7200, true)],
    ],
    ['absent', 'a hidden job 27 hours before', [entry('a', -97_200, true)]],
    [
      'absent',
      'a hidden job after an older job of the gateway',
      [entry('a', 8), known('w', -20), entry('b', -21, true)],
    ],
    [
      'undecided',
      'a hidden job before an older job of the gateway',
      [entry('a', 8), entry('b', -21, true), known('w', -22)],
    ],
    [
      'absent',
      'a hidden job before one accepted after the last moment',
      [entry('a', 12, true), known('n', 10), entry('b', -9)],
    ],
    [
      'undecided',
      'a hidden job before one accepted before the last moment',
      [entry('a', 12, true), known('n', 2), entry('b', -9)],
    ],
    [
      'undecided',
      'a hidden job before a newer one where the order is broken',
      [entry('a', 12, true), known('n', 10), entry('b', 30)],
    ],
  ])('is %s with %s', (expected, _, jobs) => {
    expect(verdict(walked([jobs], true))).toBe(expected);
  });
});

describe('a second walk', () => {
  const first = walked(
    [
      [entry('a', 20), entry('b', 10)],
      [entry('c', 5), known('w', -20)],
    ],
    false,
  );
  test.each<[boolean, string, Listed[]]>([
    [true, 'shows the same jobs', [entry('a', 20), entry('b', 10), entry('c', 5), known('w', -20)]],
    [
      true,
      'shows a new job on top',
      [entry('n', 30), entry('a', 20), entry('b', 10), entry('c', 5), known('w', -20)],
    ],
    [false, 'misses a job', [entry('a', 20), entry('c', 5), known('w', -20)]],
    [
      false,
      'shows another job in between',
      [entry('a', 20), entry('b', 10), entry('h', 7), entry('c', 5), known('w', -20)],
    ],
    [
      false,
      'shows an entry without an id',
      [entry('a', 20), entry('b', 10), entry(null, 7), entry('c', 5), known('w', -20)],
    ],
    [
      true,
      'misses a job older than the attempt',
      [entry('a', 20), entry('b', 10), entry('c', 5), entry('x', -97_200)],
    ],
    [false, 'does not reach back', [entry('a', 20), entry('b', 10), entry('c', 5)]],
  ])('confirms the first: %s, if it %s', (expected, _, jobs) => {
    expect(first.isConfirmedBy(walked([jobs], false), attempt.begunAt)).toBe(expected);
  });
});

/** A job at Reducto. */
interface UpstreamJob {
  readonly id: string;
  /** Seconds after the start of the attempt, by the database's clock. */
  readonly at: number;
  readonly kind: 'known' | 'other' | 'hidden';
  /** Seconds that its server's clock is ahead of the others'. */
  readonly jitter: number;
}

interface World {
  readonly jobs: readonly UpstreamJob[];
  readonly skewHours: number;
  readonly cursor: 'offset' | 'lastJob';
  readonly order: 'newestFirst' | 'oldestFirst';
  /** What happens before each request: jobs created, and indexes of jobs deleted. */
  readonly events: readonly { readonly created: number; readonly deleted: readonly number[] }[];
}

const SOUGHT = 'sought';
const FIRST_PAGE = 3;
const SECOND_PAGE = 7;
/** More than the jobs of a world can fill. */
const MAX_PAGES = 60;

/** Searches the listing of `world` as the gateway does. */
function search(world: World): 'found' | 'absent' | 'undecided' {
  let jobs = [...world.jobs];
  let requests = 0;
  const initial = new Set(jobs.map(({ id }) => id));
  const happen = (): void => {
    const { created, deleted } = world.events[requests] ?? { created: 0, deleted: [] };
    requests += 1;
    const ended = jobs.filter(({ id }) => initial.has(id) && id !== SOUGHT);
    const gone = new Set(deleted.map((index) => ended[index % Math.max(ended.length, 1)]?.id));
    jobs = jobs.filter(({ id }) => !gone.has(id));
    for (let n = 0; n < created; n++) {
      jobs.push({ id: `new-${requests}-${n}`, at: 5 + requests, kind: 'other', jitter: 0 });
    }
  };
  const dateOf = ({ at, jitter }: UpstreamJob): number => at + jitter + world.skewHours * 3600;
  const compare = (one: UpstreamJob, other: UpstreamJob): number => {
    const newer = dateOf(other) - dateOf(one) || (one.id < other.id ? -1 : 1);
    return world.order === 'newestFirst' ? newer : -newer;
  };
  const asListed = (job: UpstreamJob): Listed => ({
    ...(job.kind === 'known' ? known(job.id, job.at, dateOf(job)) : entry(job.id, dateOf(job))),
    isHidden: job.kind === 'hidden',
  });
  const walk = (size: number): [WalkRecord<Listed>, number] => {
    const record = new WalkRecord<Listed>();
    let begin = 0;
    let last: UpstreamJob | undefined;
    for (let pages = 1; ; pages++) {
      happen();
      const sorted = jobs.toSorted(compare);
      if (world.cursor === 'lastJob' && last !== undefined) {
        const cursor = last;
        const next = sorted.findIndex((job) => job !== cursor && compare(job, cursor) > 0);
        begin = next === -1 ? sorted.length : next;
      }
      const page = sorted.slice(begin, begin + size);
      begin += size;
      last = page.at(-1) ?? last;
      record.addPage(page.map(asListed));
      record.hasEnded = begin >= sorted.length;
      if (record.reachesBack(attempt.begunAt) || pages === MAX_PAGES) return [record, pages];
    }
  };
  const [record, pages] = walk(FIRST_PAGE);
  const own = record.jobs.find(({ upstreamId }) => upstreamId === SOUGHT);
  if (own !== undefined && !own.isHidden) return 'found';
  if (verdict(record) === 'undecided') return 'undecided';
  if (pages === 1) return 'absent';
  return record.isConfirmedBy(walk(SECOND_PAGE)[0], attempt.begunAt) ? 'absent' : 'undecided';
}

const upstreamJobs = fc
  .array(
    fc.record({
      at: fc.integer({ min: -60, max: 5 }),
      kind: fc.constantFrom<UpstreamJob['kind'][]>('known', 'other'),
      jitter: fc.integer({ min: -1, max: 1 }),
    }),
    { maxLength: 20 },
  )
  .map((jobs) => jobs.map((job, n) => ({ ...job, id: `job-${(n * 7) % 20}-${n}` })));
const events = fc.array(
  fc.record({
    created: fc.integer({ min: 0, max: 3 }),
    deleted: fc.array(fc.nat(20), { maxLength: 2 }),
  }),
  { maxLength: 16 },
);
const worlds = fc.record({
  jobs: upstreamJobs,
  skewHours: fc.integer({ min: -2, max: 2 }),
  cursor: fc.constantFrom<World['cursor'][]>('offset', 'lastJob'),
  order: fc.constantFrom<World['order'][]>('newestFirst', 'newestFirst', 'oldestFirst'),
  events,
});
const soughtJobs = fc.record({
  id: fc.constant(SOUGHT),
  at: fc.integer({ min: 0, max: 2 }),
  kind: fc.constantFrom<UpstreamJob['kind'][]>('other', 'hidden'),
  jitter: fc.integer({ min: -1, max: 1 }),
});

test('property: a job that Reducto has is never absent, whatever the clocks and changes beside the walk', () => {
  fc.assert(
    fc.property(worlds, soughtJobs, (world, sought) => {
      expect(search({ ...world, jobs: [...world.jobs, sought] })).not.toBe('absent');
    }),
    { numRuns: 20_000 },
  );
});

test('property: a job that Reducto does not have is absent by a walk beside which jobs are created, or by the next one', () => {
  fc.assert(
    fc.property(worlds, (world) => {
      const created = world.events.map((event) => ({ ...event, deleted: [] }));
      const beside = search({ ...world, order: 'newestFirst', events: created });
      // New jobs can move known ones to the next page just as it is read.
      if (beside === 'absent') return;
      expect(beside).toBe('undecided');
      expect(search({ ...world, order: 'newestFirst', events: [] })).toBe('absent');
    }),
    { numRuns: 5000 },
  );
});

test('compares dates of Reducto by its own clock alone where the gateway has an older job', () => {
  const jobs = [entry('a', 8 + 14 * 3600), known('w', -20, -20 + 14 * 3600)];
  expect(verdict(walked([jobs], false))).toBe('absent');
});
