import { Injectable } from '@nestjs/common';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { JobsService } from '../../jobs/jobs.service.js';
import { GatewayError } from '../../platform/errors/error-codes.js';
import { findValue } from '../../platform/json/json-members.js';
import type { DueDelivery } from './delivery-lease.store.js';

/** Larger results are not sent with their events. */
export const MAX_RESULT_BYTES = 262_144;

const decompress = promisify(gunzip);

/** Makes the body that an endpoint gets: in Reducto’s form, or the event, with the result of its job if the endpoint asks for it. */
@Injectable()
export class EventBody {
  constructor(private readonly jobs: JobsService) {}

  async bodyFor(delivery: DueDelivery): Promise<string> {
    const { body, eventId, jobId, service, includeResult, payloadFormat } = delivery;
    if (payloadFormat === 'reducto') return callbackOf(jobId, eventId, body);
    if (!includeResult || jobId === null || !body.startsWith('{"type":"job.completed"'))
      return body;
    const member = await this.resultMember(service, jobId);
    // `data` is the last member.
    return `${body.slice(0, -2)},${member}}}`;
  }

  private async resultMember(service: string, jobId: string): Promise<string> {
    try {
      const result = await this.jobs.result(service, jobId);
      if (Number(result.sizeBytes) > MAX_RESULT_BYTES) return '"resultOmitted":"too_large"';
      const parts: Buffer[] = [];
      const { bytes, links } = this.jobs.serve(result);
      for await (const part of bytes()) parts.push(part);
      const text = await decompress(Buffer.concat(parts), { maxOutputLength: MAX_RESULT_BYTES });
      const json = links === undefined ? text : await buffer(links.replace(Readable.from([text])));
      return `"result":${json.toString()}`;
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error;
      return '"resultOmitted":"expired"';
    }
  }
}

/**
 * The event as Reducto’s own webhooks say it. A test event has a job id that no job has. Other events
 * without a job stay as they are: their endpoint had another form when they were made.
 */
function callbackOf(jobId: string | null, eventId: string, body: string): string {
  if (jobId === null) {
    if (!body.startsWith('{"type":"endpoint.test"')) return body;
    return `{"status":"Failed","job_id":"${eventId}","metadata":{"type":"endpoint.test"}}`;
  }
  const status = body.startsWith('{"type":"job.completed"') ? 'Completed' : 'Failed';
  const span = findValue(body, ['data', 'metadata']);
  const metadata = span === undefined ? 'null' : body.slice(span.start, span.end);
  return `{"status":"${status}","job_id":"${jobId}","metadata":${metadata}}`;
}
