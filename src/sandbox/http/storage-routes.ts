import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { storageError } from '../api-error.js';
import { Backend } from '../backend.js';
import { pageText } from '../documents/document.js';
import { Job } from '../jobs/job.js';
import { linkBase } from './link-base.js';
import { expiredLink } from '../jobs/links.js';
import { resultPieces } from '../jobs/result-padding.js';
import { saved } from './upload-routes.js';

interface Download {
  Params: { id: string };
  Querystring: { expires?: string; signature?: string };
}

const MAX_PRESIGNED_UPLOAD_BYTES = 5 * 1024 ** 3;

/** The object storage: signed links authorize the requests, errors are XML. */
export function storageRoutes(storage: FastifyInstance, backend: Backend): void {
  // Object storage accepts every content type.
  storage.removeAllContentTypeParsers();
  storage.addContentTypeParser('*', (_request, payload, done) => done(null, payload));

  storage.get<Download>('/results/:id', (request, reply) => download(backend, request, reply));
  storage.get<Download>('/documents/:id', ({ params, query }, reply) => {
    backend.links.check('documents', params.id, query);
    return sendDocument(findJob(backend, params.id), reply);
  });
  storage.put<Download>('/presigned/:id', async ({ params, query, raw }) => {
    backend.links.check('presigned', params.id, query);
    const upload = backend.uploads.find(params.id, backend.clock.now());
    if (!upload) throw storageError(404, 'NoSuchKey', 'The upload does not exist.');
    upload.file = await saved(backend, raw, MAX_PRESIGNED_UPLOAD_BYTES);
    return '';
  });
}

async function download(
  backend: Backend,
  request: FastifyRequest<Download>,
  reply: FastifyReply,
): Promise<unknown> {
  const { id } = request.params;
  backend.links.check('results', id, request.query);
  const job = findJob(backend, id);
  job.downloads += 1;
  const { fault, delayMs, times } = job.sim.resultUrl ?? {};
  const hit = job.downloads <= (times ?? Number.POSITIVE_INFINITY);
  switch (hit ? fault : undefined) {
    case 'expired':
      throw expiredLink();
    case 'forbidden':
      throw storageError(403, 'AccessDenied', 'Access Denied');
    case 'notFound':
      throw storageError(404, 'NoSuchKey', 'The specified key does not exist.');
    case 'error':
      throw storageError(500, 'InternalError', 'We encountered an internal error.');
    case 'redirect':
      return reply.redirect(backend.links.make(linkBase(backend, request), 'results', id, 60_000));
    case 'wrongContentType':
      return reply.type('text/html').send(resultStream(job));
    case 'notJson':
      return reply.type('application/json').send('this is not JSON');
    case 'truncated':
      return sendBroken(job, reply);
    case 'slow':
      await backend.clock.sleep(delayMs ?? 0);
      return reply.type('application/json').send(resultStream(job));
    case undefined:
    default:
      return reply.type('application/json').send(resultStream(job));
  }
}

function resultStream({ result, sim }: Job): Readable {
  const bytes = sim.resultBytes ?? 0;
  return Readable.from(resultPieces(result?.inner ?? null, sim.resultForm ?? 'object', bytes), {
    objectMode: false,
  });
}

/** Declares the full content length, sends half of the body, and closes the connection. */
function sendBroken(job: Job, reply: FastifyReply): FastifyReply {
  const text = [...resultPieces(job.result?.inner ?? null, 'object', 0)].join('');
  reply.hijack();
  reply.raw.writeHead(200, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
  });
  reply.raw.write(text.slice(0, Math.ceil(text.length / 2)), () => reply.raw.destroy());
  return reply;
}

/** Returns an edited document unchanged: the sandbox does not fill in forms. */
function sendDocument({ result }: Job, reply: FastifyReply): FastifyReply {
  return result?.file
    ? reply.type('application/octet-stream').send(createReadStream(result.file.path))
    : reply.type('text/plain').send((result?.pages ?? []).map(pageText).join('\f'));
}

function findJob({ jobs }: Backend, id: string): Job {
  const job = jobs.find(id);
  if (job?.result && job.deletedAt === undefined) return job;
  throw storageError(404, 'NoSuchKey', 'The specified key does not exist.');
}
