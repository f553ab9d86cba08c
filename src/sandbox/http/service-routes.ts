import { FastifyInstance } from 'fastify';
import { Backend } from '../backend.js';

/** The two calls that answer a bare JSON string. */
export function serviceRoutes(api: FastifyInstance, backend: Backend): void {
  api.get('/version', (_request, reply) =>
    reply.type('application/json').send(JSON.stringify(backend.platform.current.version)),
  );
  // The real one is a link into the Svix portal and gives access to signing secrets.
  api.post('/configure_webhook', (_request, reply) =>
    reply
      .type('application/json')
      .send(JSON.stringify('https://app.svix.example/login#key=sandbox')),
  );
}
