import multipart from '@fastify/multipart';
import fastify, { FastifyError, FastifyInstance, FastifyReply } from 'fastify';
import { ApiError, namedError, noRoute } from '../api-error.js';
import { Backend } from '../backend.js';
import { controlRoutes } from './control-routes.js';
import { Edge } from './edge.js';
import { jobRoutes } from './job-routes.js';
import { serviceRoutes } from './service-routes.js';
import { storageRoutes } from './storage-routes.js';
import { submitRoutes } from './submit-routes.js';
import { uploadRoutes } from './upload-routes.js';

const JSON_BODY_LIMIT_BYTES = 64 * 1024 * 1024;

/** One port serves the API behind its edge, the object storage, and the control routes. */
export async function buildServer(backend: Backend): Promise<FastifyInstance> {
  const prefix = pathPrefix(backend.options.publicUrl);
  const server = fastify({
    // The public URL may have a path, which clients keep.
    rewriteUrl: ({ url = '/' }) => (url.startsWith(`${prefix}/`) ? url.slice(prefix.length) : url),
    bodyLimit: JSON_BODY_LIMIT_BYTES,
    // Closing must not wait for the hanging responses that faults create.
    forceCloseConnections: true,
  });
  server.setNotFoundHandler(() => {
    throw noRoute();
  });
  server.setErrorHandler((error: FastifyError, _request, reply) => sendError(error, reply));
  acceptJson(server);
  await server.register(multipart);

  const edge = new Edge(backend);
  await server.register((api, _options, done) => {
    api.addHook('onRequest', (request, _reply, next) => {
      edge.admit(request);
      next();
    });
    submitRoutes(api, backend);
    jobRoutes(api, backend);
    uploadRoutes(api, backend);
    serviceRoutes(api, backend);
    done();
  });
  await server.register((storage, _options, done) => {
    storageRoutes(storage, backend);
    done();
  });
  await server.register(
    (control, _options, done) => {
      controlRoutes(control, backend);
      done();
    },
    { prefix: '/control' },
  );
  return server;
}

function pathPrefix(publicUrl: string | undefined): string {
  return publicUrl === undefined ? '' : new URL(publicUrl).pathname.replace(/\/+$/u, '');
}

/** Fastify's JSON parser, except that it accepts an empty body. */
function acceptJson(server: FastifyInstance): void {
  server.removeContentTypeParser('application/json');
  server.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, body, done) => {
    if (body === '') return done(null, undefined);
    try {
      done(null, JSON.parse(String(body)));
    } catch {
      done(namedError(400, 'INVALID_CONFIG', 'The body is not valid JSON'));
    }
  });
}

function sendError(error: FastifyError | ApiError, reply: FastifyReply): FastifyReply {
  const { status, headers, body } = error instanceof ApiError ? error : frameworkError(error);
  return reply.status(status).headers(headers).send(body);
}

function frameworkError({ statusCode = 500, message }: FastifyError): ApiError {
  return namedError(statusCode, statusCode < 500 ? 'INVALID_CONFIG' : 'INTERNAL_ERROR', message);
}
