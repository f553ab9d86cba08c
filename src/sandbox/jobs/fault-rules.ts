import { JobSwitches, jobSwitches, mergeSwitches } from '../faults/faults.js';
import { JobType, jobTypes } from './job.js';
import { isJsonObject, JsonObject } from '../json.js';
import { count, group, object, oneOf, Setting } from '../faults/switches.js';

/** The body of `POST /control/faults`: `sim` applies to the next `times` matching submits. */
export const faultRule = group('a fault rule', {
  match: group('conditions on the submit; all of them must hold', {
    type: oneOf('job type', ...jobTypes),
    bodyIncludes: object('members that the request body must contain, at any depth of objects'),
  }),
  times: count('number of matching submits; default all'),
  sim: jobSwitches,
});

export type FaultRule = Setting<typeof faultRule>;

interface ActiveRule {
  rule: FaultRule;
  left: number;
}

export class FaultRules {
  #active: ActiveRule[] = [];

  add(rule: FaultRule): void {
    this.#active.push({ rule, left: rule.times ?? Number.POSITIVE_INFINITY });
  }

  clear(): void {
    this.#active = [];
  }

  list(): { rule: FaultRule; left: number | null }[] {
    return this.#active.map(({ rule, left }) => ({
      rule,
      left: Number.isFinite(left) ? left : null,
    }));
  }

  /** Merges the switches of all matching rules and counts one use of each rule. */
  consumeMatching(type: JobType, body: JsonObject): JobSwitches {
    const matching = this.#active.filter(({ rule }) => matches(rule, type, body));
    for (const active of matching) active.left -= 1;
    this.#active = this.#active.filter(({ left }) => left > 0);
    return matching.reduce<JobSwitches>((all, { rule }) => mergeSwitches(all, rule.sim ?? {}), {});
  }
}

function matches({ match }: FaultRule, type: JobType, body: JsonObject): boolean {
  if (match?.type !== undefined && match.type !== type) return false;
  return match?.bodyIncludes === undefined || includes(body, match.bodyIncludes);
}

function includes(actual: unknown, expected: unknown): boolean {
  if (!isJsonObject(expected)) return JSON.stringify(actual) === JSON.stringify(expected);
  if (!isJsonObject(actual)) return false;
  return Object.entries(expected).every(([key, value]) => includes(actual[key], value));
}
