import { Injectable, type PipeTransform } from '@nestjs/common';
import { plainToInstance } from 'class-transformer';
import { validate } from 'class-validator';
import { GatewayError } from '../platform/errors/error-codes.js';
import { fieldErrors } from '../platform/errors/field-errors.js';
import { isRecord } from '../platform/json.js';
import { holdsReference } from './job-request.constraints.js';
import { REQUEST_CLASSES, type JobRequestBase } from './job-request.dto.js';
import { JOB_TYPES } from './job-type.js';
import type { JobRequest } from './jobs.service.js';

/** Far more than a JSON Schema needs, far less than what breaks a recursion. */
const MAX_DEPTH = 200;

/**
 * Checks the body of `POST /v1/jobs`: the gateway's own fields and those that Reducto requires. All
 * others go through as they are, so that what Reducto adds tomorrow works today.
 */
@Injectable()
export class JobRequestPipe implements PipeTransform<unknown, Promise<JobRequest>> {
  async transform(body: unknown): Promise<JobRequest> {
    if (!isRecord(body)) throw new GatewayError('validation_failed', 'Send a JSON object.');
    if (isDeeperThan(body, MAX_DEPTH)) {
      throw new GatewayError(
        'validation_failed',
        `The body is nested more than ${MAX_DEPTH} deep.`,
      );
    }
    const type = JOB_TYPES.find((known) => known === body['type']);
    if (type === undefined) {
      const message = `must be one of ${JOB_TYPES.join(', ')}`;
      throw new GatewayError('validation_failed', undefined, {
        errors: [{ path: 'type', message }],
      });
    }
    const request: JobRequestBase = plainToInstance<JobRequestBase, unknown>(
      REQUEST_CLASSES[type],
      body,
    );
    const errors = fieldErrors(await validate(request, { forbidUnknownValues: true }));
    const { type: _type, metadata, priority, ...rest } = body;
    const misplaced = Object.entries(rest).find(
      ([name, value]) => name !== 'input' && holdsReference(value),
    );
    if (misplaced !== undefined && errors.every(({ path }) => path !== misplaced[0])) {
      errors.push({ path: misplaced[0], message: 'cannot hold a jobid://; only `input` can' });
    }
    if (errors.length > 0) throw new GatewayError('validation_failed', undefined, { errors });
    return {
      type,
      priority: priority === true,
      metadata: isRecord(metadata) ? metadata : null,
      body: rest,
    };
  }
}

/** Level by level, since what is looked for is what a recursion would not survive. */
function isDeeperThan(value: unknown, limit: number): boolean {
  let level: unknown[] = [value];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > limit) return true;
    level = level.flatMap((item) =>
      typeof item === 'object' && item !== null ? Object.values(item) : [],
    );
  }
  return false;
}
