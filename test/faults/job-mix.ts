import { mergeSwitches, type JobSwitches } from '../../src/sandbox/faults/faults.js';
import { JOB_FAULTS, type JobFault, type Outcome } from './job-faults.js';
import { Random } from './random.js';

export const SERVICES = ['invoices', 'contracts'] as const;

export type InputForm = 'url' | 'urls' | 'upload' | 'uploadObject' | 'earlierJob';

/** One job that a service is going to submit. */
export interface PlannedJob {
  readonly key: string;
  readonly service: (typeof SERVICES)[number];
  readonly type: 'parse' | 'extract' | 'split' | 'edit' | 'pipeline' | 'classify';
  readonly input: InputForm;
  /** The job whose result is the input of this one; it is submitted first. */
  readonly buildsOn: PlannedJob | undefined;
  /** Stands in the document (or the request) of this job alone and comes back in its result. */
  readonly marker: string;
  readonly sim: JobSwitches;
  readonly faults: readonly string[];
  readonly submitAfterMs: number;
  readonly cancelAfterMs: number | undefined;
  /** The service sends the request again although it has been accepted. */
  readonly repeats: boolean;
  readonly priority: boolean;
  readonly expected: readonly Outcome[];
}

const TYPES = [
  'parse',
  'parse',
  'parse',
  'extract',
  'split',
  'edit',
  'pipeline',
  'classify',
] as const;

/** Every marker of any job, as it may turn up in a result. */
export const MARKERS = /MK\d{6}/g;

/** The jobs of a run: the same for the same seed. */
export function planJobs(seed: number, count: number, withinMs: number): PlannedJob[] {
  const random = new Random(seed, 'jobs');
  const planned: PlannedJob[] = [];
  for (let n = 0; n < count; n++) {
    const hits = faultsOf(random).filter(({ slow = false }) => !slow || n < count / 2);
    const place = { key: `${seed}-${n}`, submitAfterMs: Math.floor((n / count) * withinMs) };
    const marker = `MK${String(n).padStart(6, '0')}`;
    planned.push({ ...planJob(marker, hits, planned, random), ...place });
  }
  return planned;
}

function faultsOf(random: Random): JobFault[] {
  return Object.values(JOB_FAULTS).flatMap(({ share, faults }): JobFault[] =>
    random.chance(share) ? [random.pick(faults)] : [],
  );
}

function planJob(
  own: string,
  drawn: readonly JobFault[],
  before: readonly PlannedJob[],
  random: Random,
): Omit<PlannedJob, 'key' | 'submitAfterMs'> {
  const service = random.pick(SERVICES);
  const type = random.pick(TYPES);
  const hits = type === 'classify' ? drawn.filter(isOfRequests) : drawn;
  const recent = before.slice(-20).filter((job) => job.service === service && job.type === 'parse');
  const buildsOn = type === 'extract' && recent.length > 0 ? random.pick(recent) : undefined;
  const followsUp = buildsOn !== undefined && random.chance(0.5);
  const cancelled = isCancelled(hits, random) && type !== 'classify';
  return {
    service,
    type,
    input: followsUp ? 'earlierJob' : formOf(type, random),
    buildsOn: followsUp ? buildsOn : undefined,
    marker: followsUp ? buildsOn.marker : own,
    sim: hits.reduce<JobSwitches>((all, hit) => mergeSwitches(all, hit.sim(random)), {
      queueMs: random.between(0, 200),
      runMs: random.between(10, 600),
    }),
    faults: hits.map(({ name }) => name),
    cancelAfterMs: cancelled ? random.between(0, 2_500) : undefined,
    repeats: random.chance(0.1),
    priority: random.chance(0.1),
    expected: expectedOf(type, hits, cancelled, followsUp),
  };
}

/**
 * A classify job may run in one synchronous call: it cannot be cancelled, and its answer differs where the job fails or its
 * result is bent.
 */
function isOfRequests({ name }: JobFault): boolean {
  return /^(submit|webhook|poll) /.test(name);
}

function isCancelled(hits: readonly JobFault[], random: Random): boolean {
  const byChance = random.chance(0.12);
  if (hits.some(({ cancel }) => cancel === 'always')) return true;
  return byChance && !hits.some(({ cancel }) => cancel === 'never');
}

/** Edit and the synchronous classify take one document here, and no list. */
function formOf(type: PlannedJob['type'], random: Random): InputForm {
  return random.pick(
    type === 'edit' || type === 'classify'
      ? (['url', 'upload', 'uploadObject'] as const)
      : (['url', 'url', 'urls', 'upload', 'uploadObject'] as const),
  );
}

function expectedOf(
  type: PlannedJob['type'],
  hits: readonly JobFault[],
  cancelled: boolean,
  followsUp: boolean,
): Outcome[] {
  // An edit has no part that could go by link, so what is wrong with links does not touch it.
  const counted = hits.filter(({ name }) => type !== 'edit' || !name.startsWith('result link'));
  const refused = outcomesOf(counted, 'submit ');
  const rest = counted.flatMap(({ name, outcomes = [] }) =>
    name.startsWith('submit ') ? [] : outcomes,
  );
  const ends: readonly Outcome[] = rest.length > 0 ? rest : ['completed'];
  const reached = refused.length === 0 || refused.includes('completed') ? ends : [];
  return [
    ...new Set<Outcome>([
      ...refused.filter((outcome) => outcome !== 'completed'),
      ...reached,
      ...(cancelled ? (['cancelled'] as const) : []),
      ...(followsUp ? (['source_unusable'] as const) : []),
    ]),
  ];
}

function outcomesOf(hits: readonly JobFault[], prefix: string): readonly Outcome[] {
  return hits.flatMap(({ name, outcomes = [] }) => (name.startsWith(prefix) ? outcomes : []));
}
