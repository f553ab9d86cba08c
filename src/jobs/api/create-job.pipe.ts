import { Injectable, type PipeTransform } from '@nestjs/common';
import { GatewayError } from '../../platform/errors/error-codes.js';
import { FairTurns } from '../../platform/fair-turns.js';
import type { JsonBody } from '../../platform/http/json-body.decorator.js';
import { isRecord } from '../../platform/json/is-record.js';
import { removeMembers } from '../../platform/json/json-edits.js';
import { readMembersFairly, type JsonMember } from '../../platform/json/json-members.js';
import { checkRequest, type JobRequest } from '../job-request.js';
import { JOB_TYPES } from '../job-type.js';

/** Members that the gateway does not send to Reducto. */
const OWN_MEMBERS = new Set(['type', 'metadata', 'priority', 'channels']);
/** A classify job has a `priority` of its own, which is true by default. */
const OWN_MEMBERS_OF_CLASSIFY = new Set(['type', 'metadata', 'channels']);

/** Reads a request of the gateway’s own API. */
@Injectable()
export class CreateJobPipe implements PipeTransform<JsonBody, Promise<JobRequest>> {
  async transform({ value, text }: JsonBody): Promise<JobRequest> {
    if (!isRecord(value)) throw new GatewayError('validation_failed', 'Send a JSON object.');
    const type = JOB_TYPES.find((known) => known === value['type']);
    if (type === undefined) {
      const message = `must be one of ${JOB_TYPES.join(', ')}`;
      throw new GatewayError('validation_failed', undefined, {
        errors: [{ path: 'type', message }],
      });
    }
    const turns = new FairTurns();
    await turns.pause();
    const members = await readMembersFairly(text);
    const metadata = metadataOf(text, members);
    await turns.pause();
    const keepsPriority = type === 'classify' && typeof value['priority'] === 'boolean';
    const ownMembers = keepsPriority ? OWN_MEMBERS_OF_CLASSIFY : OWN_MEMBERS;
    const body = removeMembers(text, members, ownMembers);
    await turns.pause();
    const priority = value['priority'] === true;
    const channels = channelsOf(value);
    const read = { type, priority, metadata, channels, webhook: null, body, text };
    return checkRequest({ ...read, value, members, errors: [] });
  }
}

function metadataOf(text: string, members: readonly JsonMember[]): string | null {
  const span = members.findLast(({ name }) => name === 'metadata')?.value;
  const metadata = span === undefined ? 'null' : text.slice(span.start, span.end);
  return metadata === 'null' ? null : metadata;
}

/** The validated channels, each once. */
function channelsOf({ channels }: Record<string, unknown>): string[] | null {
  if (!Array.isArray(channels) || channels.length === 0) return null;
  return [...new Set(channels.map(String))];
}
