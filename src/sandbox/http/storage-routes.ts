import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { storageError } from '../api-error.js';
import { Backend } from '../backend.js';
import { sampleFile } from '../documents/sample-files.js';
import { FileFaults } from '../faults/faults.js';
import { isPdf } from '../jobs/document-reader.js';
import { Job } from '../jobs/job.js';
import { resultPart } from '../jobs/job-view.js';
import { linkBase } from './link-base.js';
import { expiredLink } from '../jobs/links.js';
import { padding, resultPieces } from '../jobs/result-padding.js';
import { saved } from './upload-routes.js';

interface Download {
  Params: { id: string; name?: string };
  Querystring: { expires?: string; signature?: string };
}

/** What a link leads to. */
interface Content {
  contentType: string;
  stream: () => Readable;
}

const MAX_PRESIGNED_UPLOAD_BYTES = 5 * 1024 ** 3;

/** The object storage: signed links authorize the requests, errors are XML. */
export function storageRoutes(storage: FastifyInstance, backend: Backend): void {
  // Object storage accepts every content type.
  storage.removeAllContentTypeParsers();
  storage.addContentTypeParser('*', (_request, payload, done) => done(null, payload));

  for (const route of ['/results/:id', '/results/:id/:name']) {
    storage.get<Download>(route, (request, reply) => downloadResult(backend, request, reply));
  }
  storage.get<Download>('/files/:id/:name', (request, reply) =>
    downloadFile(backend, request, reply),
  );
  storage.put<Download>('/presigned/:id', async ({ params, query, raw }) => {
    backend.links.check(`presigned/${params.id}`, query);
    const upload = backend.uploads.find(params.id, backend.clock.now());
    if (!upload) throw noSuchKey();
    upload.file = await saved(backend, raw, MAX_PRESIGNED_UPLOAD_BYTES);
    return '';
  });
}

async function downloadResult(
  backend: Backend,
  request: FastifyRequest<Download>,
  reply: FastifyReply,
): Promise<unknown> {
  const job = linkedJob(backend, request);
  const { name = 'result' } = request.params;
  const base = linkBase(backend, request);
  const part = resultPart(job, name, {
    platform: backend.platform.current,
    links: backend.links,
    base,
  });
  if (part === undefined) throw noSuchKey();
  job.downloads += 1;
  const { resultUrl = {}, resultBytes = 0, resultForm = 'object' } = job.sim;
  const bytes = name === 'result' ? resultBytes : 0;
  const content = {
    contentType: 'application/json',
    stream: () => Readable.from(resultPieces(part, resultForm, bytes), { objectMode: false }),
  };
  return send(backend, request, reply, content, hit(resultUrl, job.downloads));
}

async function downloadFile(
  backend: Backend,
  request: FastifyRequest<Download>,
  reply: FastifyReply,
): Promise<unknown> {
  const job = linkedJob(backend, request);
  job.fileDownloads += 1;
  const content = await fileOf(job, request.params.name ?? '');
  return send(backend, request, reply, content, hit(job.sim.files ?? {}, job.fileDownloads));
}

/** The job's own document if the link is one to a PDF and the document is one, else a sample. */
async function fileOf({ document, sim }: Job, name: string): Promise<Content> {
  const bytes = sim.files?.bytes ?? 0;
  const file = document?.file;
  if (file && name.endsWith('.pdf') && (await isPdf(file))) {
    return {
      contentType: 'application/pdf',
      stream: () => concatenated(createReadStream(file.path), padding(bytes - file.bytes)),
    };
  }
  const sample = sampleFile(name);
  return {
    contentType: sample.contentType,
    stream: () => concatenated([sample.bytes], padding(bytes - sample.bytes.length)),
  };
}

function concatenated(...parts: (AsyncIterable<unknown> | Iterable<unknown>)[]): Readable {
  async function* all(): AsyncGenerator {
    for (const part of parts) yield* part;
  }
  return Readable.from(all(), { objectMode: false });
}

function hit(faults: FileFaults, nth: number): FileFaults {
  return nth <= (faults.times ?? Number.POSITIVE_INFINITY) ? faults : {};
}

async function send(
  backend: Backend,
  request: FastifyRequest<Download>,
  reply: FastifyReply,
  { contentType, stream }: Content,
  { fault, delayMs }: FileFaults,
): Promise<unknown> {
  switch (fault) {
    case 'expired':
      throw expiredLink('403');
    case 'forbidden':
      throw storageError(403, 'AccessDenied', 'Access Denied');
    case 'notFound':
      throw noSuchKey();
    case 'error':
      throw storageError(500, 'InternalError', 'We encountered an internal error.');
    case 'redirect':
      return reply.redirect(
        backend.links.make(linkBase(backend, request), pathOf(request), 60_000),
      );
    case 'wrongContentType':
      return reply.type('text/html').send(stream());
    case 'notJson':
      return reply.type('application/json').send('this is not JSON');
    case 'truncated':
      return sendBroken(await buffer(stream()), contentType, reply);
    case 'slow':
      await backend.clock.sleep(delayMs ?? 0);
      return reply.type(contentType).send(stream());
    case undefined:
    default:
      return reply.type(contentType).send(stream());
  }
}

/** Declares the full content length, sends half of the body, and closes the connection. */
function sendBroken(body: Buffer, contentType: string, reply: FastifyReply): FastifyReply {
  reply.hijack();
  reply.raw.writeHead(200, { 'content-type': contentType, 'content-length': body.length });
  reply.raw.write(body.subarray(0, Math.ceil(body.length / 2)), () => reply.raw.destroy());
  return reply;
}

/** The job of a valid link. Deleting a job deletes its files. */
function linkedJob({ jobs, links, platform }: Backend, request: FastifyRequest<Download>): Job {
  links.check(pathOf(request), request.query, platform.current.linkExpiredStatus);
  const job = jobs.find(request.params.id);
  if (job?.document && job.deletedAt === undefined) return job;
  throw noSuchKey();
}

function pathOf({ url }: FastifyRequest<Download>): string {
  return url.slice(1).replace(/\?.*$/u, '');
}

function noSuchKey(): Error {
  return storageError(404, 'NoSuchKey', 'The specified key does not exist.');
}
