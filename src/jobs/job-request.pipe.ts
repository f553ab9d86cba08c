import { Injectable, type PipeTransform } from '@nestjs/common';
import { getMetadataStorage, validate } from 'class-validator';
import { GatewayError } from '../platform/errors/error-codes.js';
import { cutName, fieldErrors, MAX_FIELD_ERRORS } from '../platform/errors/field-errors.js';
import { isRecord } from '../platform/json.js';
import { holdsReference, splitDescriptionErrors } from './job-request.constraints.js';
import { REQUEST_CLASSES, type JobRequestBase } from './job-request.dto.js';
import { JOB_TYPES } from './job-type.js';
import type { JobRequest } from './jobs.service.js';

/**
 * Checks the body of `POST /v1/jobs`: the gateway's own fields and those that Reducto requires. All
 * others go through as they are, so that what Reducto adds tomorrow works today.
 */
@Injectable()
export class JobRequestPipe implements PipeTransform<unknown, Promise<JobRequest>> {
  async transform(body: unknown): Promise<JobRequest> {
    if (!isRecord(body)) throw new GatewayError('validation_failed', 'Send a JSON object.');
    const type = JOB_TYPES.find((known) => known === body['type']);
    if (type === undefined) {
      const message = `must be one of ${JOB_TYPES.join(', ')}`;
      throw new GatewayError('validation_failed', undefined, {
        errors: [{ path: 'type', message }],
      });
    }
    const errors = fieldErrors(await validate(checkedPart(body, REQUEST_CLASSES[type])));
    if (type === 'split') errors.push(...splitDescriptionErrors(body['split_description']));
    const { type: _type, metadata, priority, ...rest } = body;
    const misplaced = Object.entries(rest).find(
      ([name, value]) => name !== 'input' && holdsReference(value),
    );
    if (misplaced !== undefined && errors.every(({ path }) => path !== misplaced[0])) {
      errors.push({
        path: cutName(misplaced[0]),
        message: 'cannot hold a jobid://; only `input` can',
      });
    }
    if (errors.length > 0) {
      const first = errors.slice(0, MAX_FIELD_ERRORS);
      throw new GatewayError('validation_failed', undefined, { errors: first });
    }
    return {
      type,
      priority: priority === true,
      metadata: isRecord(metadata) ? metadata : null,
      body: rest,
    };
  }
}

/** The fields that `Request` has rules for. To make an instance of the whole body would cost time for each value in it. */
function checkedPart(
  body: Record<string, unknown>,
  Request: new () => JobRequestBase,
): JobRequestBase {
  const rules = getMetadataStorage().getTargetValidationMetadatas(Request, '', false, false);
  const fields = rules.map(({ propertyName }) => [propertyName, body[propertyName]] as const);
  return Object.assign(new Request(), Object.fromEntries(fields));
}
