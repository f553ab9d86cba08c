import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { In, Repository } from 'typeorm';
import { rows } from '../../platform/database/sql.js';
import type { OpenJobs } from './job-queries.store.js';
import { countOpenJobs } from './job-queries.store.js';
import { Job } from '../job.entity.js';
import { describeEnds, type EndedJobs } from './ended-jobs.js';
import { armsOf, MAX_COUNT, type JobSearch, type Period, type Place } from './search-conditions.js';

/** `more`: counting stopped at the limit. */
export interface JobCount {
  readonly count: number;
  readonly more: boolean;
}

/** Open and ended jobs, as of one moment. */
export interface JobsOverview {
  readonly open: readonly OpenJobs[];
  readonly ended: EndedJobs;
}

const MAX_SERVICES = 500;

/** Searches and statistics over jobs of all services, for admins. */
@Injectable()
export class JobSearchStore {
  constructor(@InjectRepository(Job) private readonly jobs: Repository<Job>) {}

  /** Newest first; with `ended`, last ended first. */
  async searchJobs(search: JobSearch, limit: number): Promise<Job[]> {
    const { before, ended } = search;
    const after = before === undefined ? undefined : await this.placeOf(before);
    const { arms, values } = armsOf(search, after);
    const order = ended === undefined ? 'id DESC' : 'ended_at DESC, id DESC';
    const found = arms.map((arm) => `(${arm} ORDER BY ${order} LIMIT $1)`).join(' UNION ');
    const ids = await rows<{ id: string }>(
      this.jobs.manager,
      `SELECT id FROM (${found}) AS found ORDER BY ${order} LIMIT $1`,
      [limit, ...values],
    );
    const jobs = await this.jobs.findBy({ id: In(ids.map(({ id }) => id)) });
    const byId = new Map(jobs.map((job) => [job.id, job]));
    return ids.flatMap(({ id }) => byId.get(id) ?? []);
  }

  async countJobs(search: JobSearch): Promise<JobCount> {
    const { arms, values } = armsOf(search, undefined);
    const found = arms.map((arm) => `(${arm} LIMIT $1)`).join(' UNION ');
    const [counted] = await rows<{ count: number }>(
      this.jobs.manager,
      `SELECT count(*)::integer AS count FROM (SELECT 1 FROM (${found}) AS found LIMIT $1) AS counted`,
      [MAX_COUNT + 1, ...values],
    );
    const count = counted?.count ?? 0;
    return { count: Math.min(count, MAX_COUNT), more: count > MAX_COUNT };
  }

  /** Services that have jobs, by an index skip scan. */
  async listServices(): Promise<string[]> {
    const found = await rows<{ service: string }>(this.jobs.manager, SERVICES, [MAX_SERVICES]);
    return found.map(({ service }) => service);
  }

  /** Reads one snapshot, so that no job counts twice; at most the last `limit` ended jobs. */
  readOverview(period: Required<Period>, limit: number): Promise<JobsOverview> {
    return this.jobs.manager.transaction('REPEATABLE READ', async (manager) => ({
      open: await countOpenJobs(manager.getRepository(Job)),
      ended: await describeEnds(manager, period, limit),
    }));
  }

  private async placeOf(id: string): Promise<Place> {
    const [found] = await rows<{ endedAt: string | null }>(
      this.jobs.manager,
      // As text: a `Date` has no microseconds.
      `SELECT ended_at::text AS "endedAt" FROM jobs WHERE id = $1`,
      [id],
    );
    return { id, endedAt: found?.endedAt ?? null };
  }
}

const SERVICES = `
  WITH RECURSIVE found AS (
    (SELECT service FROM jobs ORDER BY service LIMIT 1)
    UNION ALL
    SELECT (SELECT service FROM jobs WHERE service > found.service ORDER BY service LIMIT 1)
      FROM found WHERE found.service IS NOT NULL)
  SELECT service FROM found WHERE service IS NOT NULL LIMIT $1`;
